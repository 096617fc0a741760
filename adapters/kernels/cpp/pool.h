// A small pool of threads for rows that do not depend on one another. No OpenMP: a process that has torch, NumPy and Numba
// in it has two runtimes of that already, each with threads of its own.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace xentcheck {

class Pool {
 public:
  // The pool of this process. A child after fork() has none of its parent's threads: it gets a pool of its own.
  static Pool& of_process();

  // The processors that this process may run on.
  int processors() const { return processors_; }

  // Calls body(chunk, participant) once for each chunk of [0, chunks). At most `threads` participants, the caller among
  // them, work at a time, each with a number of its own below `threads`. While another caller has the threads, the
  // chunks run on this one alone: nobody waits, and nobody is nested. `body` must not throw.
  template <class Body>
  void run(int64_t chunks, int threads, Body&& body) {
    std::unique_lock<std::mutex> turn(busy_, std::defer_lock);
    if (threads <= 1 || chunks <= 1 || !turn.try_lock()) {
      for (int64_t chunk = 0; chunk < chunks; chunk++) body(chunk, 0);
      return;
    }
    using Given = std::remove_reference_t<Body>;
    job_ = [](void* given, int64_t chunk, int participant) { (*static_cast<Given*>(given))(chunk, participant); };
    given_ = const_cast<void*>(static_cast<const void*>(&body));
    chunks_ = chunks;
    next_.store(0, std::memory_order_relaxed);
    open(chunks < threads ? static_cast<int>(chunks) : threads);
    work(0);
    close();
  }

 private:
  Pool();
  void open(int threads);
  void close();
  void work(int participant);
  void serve();

  // Of the work in progress: written while the door is shut and nobody is inside, read by those who are.
  void (*job_)(void*, int64_t, int) = nullptr;
  void* given_ = nullptr;
  int64_t chunks_ = 0;
  std::atomic<int64_t> next_{0};

  // How many more workers may come in (above kInside), and how many are inside (below). A worker that wakes late finds
  // the door shut: the caller waits for those inside only, never for a thread that no processor is free for.
  static constexpr uint32_t kPlace = 1u << 16, kInside = kPlace - 1;
  std::atomic<uint32_t> door_{0};
  std::atomic<uint32_t> calls_{0};  // how often the door was opened: what idle workers watch

  const int processors_;
  std::vector<std::thread> workers_;
  std::mutex busy_;
};

}  // namespace xentcheck
