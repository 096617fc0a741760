// Threads that wait for the next piece of work, each with its own share of the bytes: what a roofline is measured with
// must cost less than the least that it measures.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace xentcheck {

class Crew {
 public:
  explicit Crew(int size) {
    for (int member = 1; member < size; ++member) threads_.emplace_back([this, member] { wait(member); });
  }

  ~Crew() {
    ended_ = true;
    call();
    for (std::thread& thread : threads_) thread.join();
  }

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  // `work(member)` once on each member; the caller is member 0.
  void run(const std::function<void(int)>& work) {
    work_ = &work;
    busy_.store(size() - 1, std::memory_order_relaxed);
    call();
    work(0);
    while (busy_.load(std::memory_order_acquire)) {
    }
  }

 private:
  static constexpr int kSpins = 20000;  // about 10 us: members sleep between measurements, not within one

  void call() {
    turn_.fetch_add(1, std::memory_order_release);
    turn_.notify_all();
  }

  void wait(int member) {
    for (uint32_t done = 0;; ++done) {
      for (int spin = 0; spin < kSpins && turn_.load(std::memory_order_acquire) == done; ++spin) {
      }
      turn_.wait(done, std::memory_order_acquire);
      if (ended_) return;
      (*work_)(member);
      busy_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::atomic<uint32_t> turn_{0};
  std::atomic<int> busy_{0};
  std::atomic<bool> ended_{false};
  const std::function<void(int)>* work_ = nullptr;
  std::vector<std::thread> threads_;
};

}  // namespace xentcheck
