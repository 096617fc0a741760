#include "pool.h"

#include <algorithm>
#include <system_error>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace xentcheck {
namespace {

// About 20 to 50 microseconds: what lies between the calls of a loop over small batches, and little beside a wake-up.
constexpr int kSpins = 1000;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// Until `word` is another value than `seen`: spins, then sleeps.
void wait_for_change(std::atomic<uint32_t>& word, uint32_t seen) {
  for (int spin = 0; spin < kSpins; spin++) {
    if (word.load(std::memory_order_acquire) != seen) return;
    pause();
  }
  word.wait(seen, std::memory_order_acquire);
}

int processors_of_process() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

std::atomic<Pool*> process_pool{nullptr};

}  // namespace

Pool::Pool() : processors_(processors_of_process()) {}

Pool& Pool::of_process() {
#if defined(__unix__) || defined(__APPLE__)
  // The parent's pool is left as it lies: its threads are not here, and its mutex may be held by one of them.
  static const int registered = pthread_atfork(nullptr, nullptr, [] { process_pool.store(nullptr); });
  (void)registered;
#endif
  Pool* pool = process_pool.load(std::memory_order_acquire);
  if (!pool) {
    Pool* fresh = new Pool;  // has no threads before its first work; never deleted: they may outlive main()
    if (process_pool.compare_exchange_strong(pool, fresh)) return *fresh;
    delete fresh;
  }
  return *pool;
}

void Pool::open(int threads) {
  try {
    while (static_cast<int>(workers_.size()) < threads - 1) workers_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {
    // No more threads in this process: those there are will do.
  }
  const auto places = static_cast<uint32_t>(std::min<size_t>(workers_.size(), threads - 1));
  door_.store(places * kPlace, std::memory_order_release);
  calls_.fetch_add(1, std::memory_order_release);
  calls_.notify_all();
}

void Pool::close() {
  uint32_t inside = door_.fetch_and(kInside, std::memory_order_acq_rel) & kInside;
  while (inside) {
    wait_for_change(door_, inside);
    inside = door_.load(std::memory_order_acquire);
  }
}

void Pool::work(int participant) {
  for (;;) {
    const int64_t chunk = next_.fetch_add(1, std::memory_order_relaxed);
    if (chunk >= chunks_) return;
    job_(given_, chunk, participant);
  }
}

void Pool::serve() {
  uint32_t seen = 0;
  for (;;) {
    wait_for_change(calls_, seen);
    seen = calls_.load(std::memory_order_acquire);
    uint32_t door = door_.load(std::memory_order_acquire);
    while (door >= kPlace && !door_.compare_exchange_weak(door, door - kPlace + 1, std::memory_order_acq_rel)) {
    }
    if (door < kPlace) continue;
    work(static_cast<int>(door / kPlace));  // the number of the place taken: 1 to threads - 1
    if (door_.fetch_sub(1, std::memory_order_acq_rel) == 1) door_.notify_all();
  }
}

}  // namespace xentcheck
