// A whole call: rows that one kernel evaluates, and what becomes of their losses.
#pragma once
#include <cstdint>

#include "rows.h"

namespace xentcheck {

enum class Reduction : int { none, sum, mean };

struct Batch {
  Problem problem;  // but for weight_sum, upstream, scale, loss and stream, which `evaluate` finds
  int64_t rows;
  Reduction reduction;
  int threads;  // 0: as many as the process has processors

  // The upstream gradient of the loss, float64 or float32, or null: ones. (rows), or one number if they are reduced.
  const void* upstream;
  bool upstream_is_double;
  int64_t upstream_stride;

  // In the dtype of the rows' arithmetic: float64 for float64 logits, else float32. (rows), or one number.
  void* loss;
  int64_t loss_stride;
};

// Loss, and gradient if `problem.grad` is given. Bitwise the same for any number of threads. Throws std::out_of_range for
// a class index outside [0, classes) that is not `ignore_index`, std::invalid_argument for a kernel that is not there,
// and std::bad_alloc; nothing has been written then.
void evaluate(const Batch& batch);

}  // namespace xentcheck
