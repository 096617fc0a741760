#include "batch.h"

#include <algorithm>
#include <cfenv>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include "dispatch.h"
#include "pool.h"

namespace xentcheck {
namespace {

constexpr int64_t kChunkBytes = 256 << 10;   // of logits: a quarter of a second-level cache, and a fraction of a millisecond
constexpr int64_t kAloneBelow = 32 << 10;    // logits: done before another thread would have woken up
constexpr int64_t kStreamAbove = 8 << 20;    // bytes of gradient: beyond the caches, where it need not be read before it is written
constexpr int64_t kLine = 64;

int64_t item_bytes(DType dtype) {
  return dtype == DType::float64 ? 8 : dtype == DType::float32 ? 4 : 2;
}

int64_t in_lines(int64_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

// Memory of the calling thread, kept from call to call: fresh pages cost more than small batches do.
class Scratch {
 public:
  char* of(int64_t bytes) {
    if (bytes > size_) {
      size_ = 0;
      bytes_.reset();
      bytes_.reset(static_cast<char*>(std::aligned_alloc(kLine, static_cast<size_t>(bytes))));
      if (!bytes_) throw std::bad_alloc();
      size_ = bytes;
    }
    return bytes_.get();
  }

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<char, Free> bytes_;
  int64_t size_ = 0;
};

// As long as it lives, this thread rounds to nearest and keeps subnormal numbers. Frameworks switch that off on theirs, and
// new threads inherit it: results would depend on who calls, and on which thread has a row.
class StandardArithmetic {
 public:
#if defined(__x86_64__)
  StandardArithmetic() : before_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(0x1f80); }
  ~StandardArithmetic() { __builtin_ia32_ldmxcsr(before_); }

 private:
  const unsigned before_;
#else
  StandardArithmetic() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~StandardArithmetic() { std::fesetenv(&before_); }

 private:
  std::fenv_t before_;
#endif
};

// Raises for the first class index that is none, and returns what the kept rows' losses are averaged over.
template <class Index, class Weight>
double checked_denominator(const Batch& batch) {
  const Problem& problem = batch.problem;
  const auto* labels = static_cast<const Index*>(problem.labels);
  const auto* weight = static_cast<const Weight*>(problem.weight);
  double sum = 0;
  for (int64_t row = 0; row < batch.rows; row++) {
    const int64_t label = labels[row * problem.labels_stride];
    if (label == problem.ignore_index) continue;
    if (static_cast<uint64_t>(label) >= static_cast<uint64_t>(problem.classes))
      throw std::out_of_range("labels: row " + std::to_string(row) + " has " + std::to_string(label) + ", expected a class in [0, " +
                              std::to_string(problem.classes) + ") or ignore_index " + std::to_string(problem.ignore_index));
    sum += weight ? static_cast<double>(weight[label]) : 1;
  }
  return sum;
}

double checked_denominator(const Batch& batch) {
  if (batch.problem.label_kind == Labels::dense) return static_cast<double>(batch.rows);
  const bool wide = batch.problem.dtype == DType::float64;
  if (batch.problem.label_kind == Labels::int32)
    return wide ? checked_denominator<int32_t, double>(batch) : checked_denominator<int32_t, float>(batch);
  return wide ? checked_denominator<int64_t, double>(batch) : checked_denominator<int64_t, float>(batch);
}

template <class Weight>
double sum_of(const void* weight, int64_t classes) {
  double sum = 0;
  for (int64_t c = 0; c < classes; c++) sum += static_cast<const Weight*>(weight)[c];
  return sum;
}

double weight_sum(const Problem& problem) {
  if (!problem.weight) return static_cast<double>(problem.classes);
  return problem.dtype == DType::float64 ? sum_of<double>(problem.weight, problem.classes)
                                         : sum_of<float>(problem.weight, problem.classes);
}

double upstream_at(const Batch& batch, int64_t row) {
  if (!batch.upstream) return 1;
  const int64_t place = row * batch.upstream_stride;
  return batch.upstream_is_double ? static_cast<const double*>(batch.upstream)[place]
                                  : static_cast<const float*>(batch.upstream)[place];
}

void put_loss(const Batch& batch, int64_t row, double loss) {
  const int64_t place = row * batch.loss_stride;
  if (batch.problem.dtype == DType::float64)
    static_cast<double*>(batch.loss)[place] = loss;
  else
    static_cast<float*>(batch.loss)[place] = static_cast<float>(loss);
}

}  // namespace

void evaluate(const Batch& batch) {
  const StandardArithmetic here;
  const Kernel& kernel = chosen_kernel();
  Pool& pool = Pool::of_process();
  const int64_t rows = batch.rows;
  const bool each = batch.reduction == Reduction::none;
  const double denominator = checked_denominator(batch);

  Problem problem = batch.problem;
  problem.weight_sum = weight_sum(problem);
  problem.scale = each ? 1 : upstream_at(batch, 0);
  // No row is kept, so no gradient is anything but 0: divided by 0 it would be NaN.
  if (batch.reduction == Reduction::mean && denominator != 0) problem.scale /= denominator;
  const int64_t row_bytes = problem.classes * item_bytes(problem.dtype);
  problem.stream = problem.grad && problem.grad != problem.logits && rows * row_bytes > kStreamAbove;

  const int threads = rows * problem.classes < kAloneBelow ? 1 : batch.threads ? batch.threads : pool.processors();
  const int64_t share = std::max<int64_t>(1, (rows + threads - 1) / threads);
  const int64_t chunk_rows = std::clamp<int64_t>(kChunkBytes / std::max<int64_t>(1, row_bytes), 1, share);
  const int64_t chunks = (rows + chunk_rows - 1) / chunk_rows;

  // Of each thread what the rows want, then a loss and an upstream gradient for each row.
  const int64_t room = in_lines(kernel.scratch_bytes(problem)), column = in_lines(rows * static_cast<int64_t>(sizeof(double)));
  const bool has_upstream = each && batch.upstream && problem.grad;
  static thread_local Scratch memory;
  char* const scratch = memory.of(threads * room + column * (has_upstream ? 2 : 1));
  problem.loss = reinterpret_cast<double*>(scratch + threads * room);
  problem.upstream = nullptr;
  if (has_upstream) {
    double* const upstream = problem.loss + column / static_cast<int64_t>(sizeof(double));
    for (int64_t row = 0; row < rows; row++) upstream[row] = upstream_at(batch, row);
    problem.upstream = upstream;
  }

  pool.run(chunks, threads, [&](int64_t chunk, int participant) {
    const StandardArithmetic there;
    const int64_t first = chunk * chunk_rows;
    kernel.rows(problem, first, std::min(rows, first + chunk_rows), scratch + participant * room);
  });

  if (each) {
    for (int64_t row = 0; row < rows; row++) put_loss(batch, row, problem.loss[row]);
    return;
  }
  double sum = 0;
  for (int64_t row = 0; row < rows; row++) sum += problem.loss[row];
  put_loss(batch, 0, batch.reduction == Reduction::mean ? sum / denominator : sum);
}

}  // namespace xentcheck
