// The entry of XLA's foreign function interface, for jax.ffi.
#pragma once
#include "xla_ffi.h"

namespace xentcheck {

// Operands: logits (N, C), labels (N,) or (N, C), class weights (C,) or (0,), upstream gradient of the loss or (0,).
// Attributes: ignore_index, reduction (the number of a `Reduction`), label_smoothing, z_loss.
// Results: the loss, and the gradient (N, C) if there is a second one.
XLA_FFI_Error* ffi_handler(XLA_FFI_CallFrame* frame);

}  // namespace xentcheck
