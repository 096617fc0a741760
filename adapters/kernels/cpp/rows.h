// What a kernel is asked for: plain data, so that nothing but these structures crosses from the translation units of
// one instruction set to another's.
#pragma once
#include <cstdint>

namespace xentcheck {

enum class DType : int { float16, bfloat16, float32, float64 };
enum class Labels : int { int32, int64, dense };  // dense: rows over the classes, in the logits' dtype

// All rows of one call. Classes are contiguous; strides are in elements. Class indices were checked before: each is in
// [0, classes) or equal to ignore_index.
struct Problem {
  DType dtype;
  Labels label_kind;
  int64_t classes;
  const void* logits;
  int64_t logits_stride;
  const void* labels;
  int64_t labels_stride;
  int64_t ignore_index;
  const void* weight;      // (classes) in the dtype of `Kernel::rows`' arithmetic, or null: all ones
  double weight_sum;       // of all classes; `classes` where there are no weights
  double label_smoothing;  // 0 to 1: that part of each row's labels is spread evenly over the classes
  double z_loss;           // each row's loss gains this times its squared log-sum-exp
  const double* upstream;  // (rows) or null: what each row's gradient is multiplied by, beside `scale`
  double scale;
  double* loss;  // (rows) each row's loss, before any reduction
  void* grad;    // in the logits' dtype, or null: the loss alone. May be the logits
  int64_t grad_stride;
  bool stream;  // write the gradient past the caches
};

// The rows of one instruction set.
struct Kernel {
  const char* name;                          // "avx512", "avx2", "portable"
  bool (*is_supported)();                    // by the processor that this runs on
  int64_t (*scratch_bytes)(const Problem&);  // what `rows` wants of memory beside its arguments, aligned to 64 bytes
  // Loss and gradient of rows [first, last). Arithmetic and `weight` are float64 for float64 logits, else float32.
  void (*rows)(const Problem&, int64_t first, int64_t last, void* scratch);
};

extern const Kernel avx512, avx2, portable;  // those that this processor's family has were compiled

}  // namespace xentcheck
