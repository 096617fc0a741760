#include "ffi.h"

#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "batch.h"

namespace xentcheck {
namespace {

// All that this handler knows of is in every minor version of this major one.
constexpr int kMajor = 0, kMinor = 1;

template <class Value>
Value attribute(const XLA_FFI_Attrs& attributes, std::string_view name) {
  for (int64_t i = 0; i < attributes.size; i++) {
    const XLA_FFI_ByteSpan& found = *attributes.names[i];
    if (std::string_view(found.ptr, found.len) == name && attributes.types[i] == XLA_FFI_AttrType_SCALAR)
      return *static_cast<const Value*>(static_cast<const XLA_FFI_Scalar*>(attributes.attrs[i])->value);
  }
  throw std::invalid_argument("xentcheck_kernels: no attribute " + std::string(name));
}

const XLA_FFI_Buffer& operand(const XLA_FFI_CallFrame& frame, int64_t place) {
  return *static_cast<const XLA_FFI_Buffer*>(frame.args.args[place]);
}

const XLA_FFI_Buffer& result(const XLA_FFI_CallFrame& frame, int64_t place) {
  return *static_cast<const XLA_FFI_Buffer*>(frame.rets.rets[place]);
}

DType float_dtype(XLA_FFI_DataType dtype) {
  switch (dtype) {
    case XLA_FFI_DataType_F16: return DType::float16;
    case XLA_FFI_DataType_BF16: return DType::bfloat16;
    case XLA_FFI_DataType_F32: return DType::float32;
    case XLA_FFI_DataType_F64: return DType::float64;
    default: throw std::invalid_argument("xentcheck_kernels: logits of an unknown dtype");
  }
}

bool is_left_out(const XLA_FFI_Buffer& buffer) { return buffer.rank == 1 && buffer.dims[0] == 0; }

// The shapes and dtypes are those that jax_loss.py asked for; XLA's arrays are dense and aligned.
Batch batch_of(const XLA_FFI_CallFrame& frame) {
  const XLA_FFI_Buffer &logits = operand(frame, 0), &labels = operand(frame, 1), &weight = operand(frame, 2),
                       &upstream = operand(frame, 3);
  Batch batch{};
  Problem& problem = batch.problem;
  batch.rows = logits.dims[0];
  batch.reduction = static_cast<Reduction>(attribute<int64_t>(frame.attrs, "reduction"));
  problem.dtype = float_dtype(logits.dtype);
  problem.classes = problem.logits_stride = problem.grad_stride = logits.dims[1];
  problem.logits = logits.data;
  problem.label_kind = labels.rank == 2                          ? Labels::dense
                       : labels.dtype == XLA_FFI_DataType_S32 ? Labels::int32
                                                                 : Labels::int64;
  problem.labels = labels.data;
  problem.labels_stride = labels.rank == 2 ? problem.classes : 1;
  problem.weight = is_left_out(weight) ? nullptr : weight.data;
  problem.ignore_index = attribute<int64_t>(frame.attrs, "ignore_index");
  problem.label_smoothing = attribute<double>(frame.attrs, "label_smoothing");
  problem.z_loss = attribute<double>(frame.attrs, "z_loss");
  problem.grad = frame.rets.size > 1 ? result(frame, 1).data : nullptr;
  batch.upstream = is_left_out(upstream) ? nullptr : upstream.data;
  batch.upstream_is_double = upstream.dtype == XLA_FFI_DataType_F64;
  batch.upstream_stride = batch.loss_stride = 1;
  batch.loss = result(frame, 0).data;
  return batch;
}

XLA_FFI_Error* error(const XLA_FFI_CallFrame& frame, const char* message, XLA_FFI_Error_Code code) {
  XLA_FFI_Error_Create_Args arguments{sizeof arguments, nullptr, message, code};
  return frame.api->XLA_FFI_Error_Create(&arguments);
}

}  // namespace

XLA_FFI_Error* ffi_handler(XLA_FFI_CallFrame* frame) {
  if (frame->extension_start && frame->extension_start->type == XLA_FFI_Extension_Metadata) {
    XLA_FFI_Metadata& metadata = *reinterpret_cast<XLA_FFI_Metadata_Extension*>(frame->extension_start)->metadata;
    metadata.api_version = {sizeof(XLA_FFI_Api_Version), nullptr, kMajor, kMinor};
    metadata.traits = 0;
    return nullptr;
  }
  try {
    evaluate(batch_of(*frame));
    return nullptr;
  } catch (const std::out_of_range& raised) {
    return error(*frame, raised.what(), XLA_FFI_Error_Code_OUT_OF_RANGE);
  } catch (const std::invalid_argument& raised) {
    return error(*frame, raised.what(), XLA_FFI_Error_Code_INVALID_ARGUMENT);
  } catch (const std::bad_alloc&) {
    return error(*frame, "xentcheck_kernels: out of memory", XLA_FFI_Error_Code_RESOURCE_EXHAUSTED);
  }
}

}  // namespace xentcheck
