// The Python module `_cpu`: arrays as they lie in memory, taken or declined. What is declined, cpu.py explains or copies.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "batch.h"
#include "dispatch.h"
#include "ffi.h"

namespace nb = nanobind;

namespace xentcheck {
namespace {

using Readable = nb::ndarray<nb::ro, nb::device::cpu>;
using Writable = nb::ndarray<nb::device::cpu>;

constexpr int kMostThreads = 1024;

// bfloat16 is a dtype of DLPack, but none of NumPy's: from there it comes as uint16.
std::optional<DType> float_dtype(nb::dlpack::dtype dtype) {
  if (dtype == nb::dtype<float>()) return DType::float32;
  if (dtype == nb::dtype<double>()) return DType::float64;
  if (dtype.bits != 16 || dtype.lanes != 1) return std::nullopt;
  if (dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Float)) return DType::float16;
  if (dtype.code == static_cast<uint8_t>(nb::dlpack::dtype_code::Bfloat) || dtype == nb::dtype<uint16_t>())
    return DType::bfloat16;
  return std::nullopt;
}

// Elements where their type may lie.
template <class Array>
bool is_aligned(const Array& array) {
  return reinterpret_cast<uintptr_t>(array.data()) % (array.dtype().bits / 8) == 0;
}

template <class Array>
bool has_shape(const Array& array, size_t rows) {
  return array.ndim() == 1 && array.shape(0) == rows && is_aligned(array);
}

// Rows whose classes lie side by side.
template <class Array>
bool has_shape(const Array& array, size_t rows, size_t classes) {
  return array.ndim() == 2 && array.shape(0) == rows && array.shape(1) == classes && is_aligned(array) &&
         (array.stride(1) == 1 || classes == 1 || rows == 0);
}

// A loss, or an upstream gradient of one.
template <class Array>
bool has_shape_of_loss(const Array& array, size_t rows, Reduction reduction) {
  return reduction == Reduction::none ? has_shape(array, rows) : array.ndim() == 0 && is_aligned(array);
}

template <class Array>
int64_t stride_of_loss(const Array& array) {
  return array.ndim() ? array.stride(0) : 0;
}

struct Span {
  const char *begin, *end;
};

// The bytes from the first to the last element of rows that are not empty.
template <class Array>
Span span_of(const Array& array) {
  const int64_t item = array.dtype().bits / 8;
  const int64_t reach = (static_cast<int64_t>(array.shape(0)) - 1) * array.stride(0) * item;
  const char* first = static_cast<const char*>(array.data());
  return {first + (reach < 0 ? reach : 0), first + (reach > 0 ? reach : 0) + (array.ndim() > 1 ? array.shape(1) : 1) * item};
}

bool may_overlap(Span a, Span b) { return a.begin < b.end && b.begin < a.end; }

// Rows that no other row of the array shares memory with.
bool has_rows_of_its_own(const Writable& array) {
  const int64_t stride = array.stride(0);
  return array.shape(0) <= 1 || (stride < 0 ? -stride : stride) >= static_cast<int64_t>(array.shape(1));
}

Reduction reduction_named(std::string_view name) {
  if (name == "mean") return Reduction::mean;
  if (name == "sum") return Reduction::sum;
  if (name == "none") return Reduction::none;
  throw std::invalid_argument("reduction: got '" + std::string(name) + "', expected 'none', 'sum' or 'mean'");
}

// Whether the arrays were taken: everything was computed. If not, nothing was. See cpu.py for what they are.
bool cross_entropy(nb::handle logits_given, nb::handle labels_given, nb::handle loss_given, nb::handle grad_given,
                   nb::handle weight_given, nb::handle upstream_given, int64_t ignore_index, double label_smoothing,
                   double z_loss, const char* reduction_name, std::optional<int> threads) {
  Batch batch{};
  Problem& problem = batch.problem;
  const Reduction reduction = batch.reduction = reduction_named(reduction_name);
  if (!(label_smoothing >= 0 && label_smoothing <= 1))
    throw std::invalid_argument("label_smoothing: got " + std::to_string(label_smoothing) + ", expected 0 to 1");
  if (!(z_loss >= 0)) throw std::invalid_argument("z_loss: got " + std::to_string(z_loss) + ", expected 0 or more");
  if (threads && (*threads < 1 || *threads > kMostThreads))
    throw std::invalid_argument("threads: got " + std::to_string(*threads) + ", expected 1 to " +
                                std::to_string(kMostThreads));

  Readable logits, labels, weight, upstream;
  Writable loss, grad;
  if (!nb::try_cast(logits_given, logits, false) || logits.ndim() != 2) return false;
  const std::optional<DType> dtype = float_dtype(logits.dtype());
  const size_t rows = logits.shape(0), classes = logits.shape(1);
  if (!dtype || !classes || !has_shape(logits, rows, classes)) return false;
  problem.dtype = *dtype;
  problem.classes = static_cast<int64_t>(classes);
  problem.logits = logits.data();
  problem.logits_stride = logits.stride(0);
  batch.rows = static_cast<int64_t>(rows);

  if (!nb::try_cast(labels_given, labels, false)) return false;
  if (has_shape(labels, rows) && labels.dtype() == nb::dtype<int64_t>())
    problem.label_kind = Labels::int64;
  else if (has_shape(labels, rows) && labels.dtype() == nb::dtype<int32_t>())
    problem.label_kind = Labels::int32;
  else if (has_shape(labels, rows, classes) && float_dtype(labels.dtype()) == dtype)
    problem.label_kind = Labels::dense;
  else
    return false;
  problem.labels = labels.data();
  problem.labels_stride = labels.stride(0);

  const nb::dlpack::dtype arithmetic = *dtype == DType::float64 ? nb::dtype<double>() : nb::dtype<float>();
  if (!weight_given.is_none()) {
    if (!nb::try_cast(weight_given, weight, false) || !has_shape(weight, classes)) return false;
    if (weight.dtype() != arithmetic || (weight.stride(0) != 1 && classes > 1)) return false;
    problem.weight = weight.data();
  }
  if (!nb::try_cast(loss_given, loss, false) || loss.dtype() != arithmetic || !has_shape_of_loss(loss, rows, reduction))
    return false;
  batch.loss = loss.data();
  batch.loss_stride = stride_of_loss(loss);
  if (!upstream_given.is_none()) {
    if (!nb::try_cast(upstream_given, upstream, false) || !has_shape_of_loss(upstream, rows, reduction)) return false;
    batch.upstream_is_double = upstream.dtype() == nb::dtype<double>();
    if (!batch.upstream_is_double && upstream.dtype() != nb::dtype<float>()) return false;
    batch.upstream = upstream.data();
    batch.upstream_stride = stride_of_loss(upstream);
  }
  if (!grad_given.is_none()) {
    if (!nb::try_cast(grad_given, grad, false) || float_dtype(grad.dtype()) != dtype) return false;
    if (!has_shape(grad, rows, classes) || !has_rows_of_its_own(grad)) return false;
    if (rows) {
      const bool in_place = grad.data() == logits.data() && (grad.stride(0) == logits.stride(0) || rows == 1);
      if (!in_place && may_overlap(span_of(grad), span_of(logits))) return false;
      if (may_overlap(span_of(grad), span_of(labels))) return false;
    }
    problem.grad = grad.data();
    problem.grad_stride = grad.stride(0);
  }
  problem.ignore_index = ignore_index;
  problem.label_smoothing = label_smoothing;
  problem.z_loss = z_loss;
  batch.threads = threads.value_or(0);

  nb::gil_scoped_release released;
  evaluate(batch);
  return true;
}

}  // namespace
}  // namespace xentcheck

NB_MODULE(_cpu, module) {
  using namespace xentcheck;
  module.def("cross_entropy", &cross_entropy, nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg().none(),
             nb::arg().none(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none());
  module.def("kernels", [] {
    nb::list names;
    for (const Kernel* kernel : kernels()) names.append(kernel->name);
    return nb::tuple(names);
  });
  module.def("chosen", [] { return chosen_kernel().name; });
  module.def("ffi_handler", [] {
    return nb::capsule(reinterpret_cast<void*>(&ffi_handler), "xla._CUSTOM_CALL_TARGET");
  });
}
