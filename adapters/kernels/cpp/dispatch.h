// Which instruction set's rows run here.
#pragma once
#include <vector>

#include "rows.h"

namespace xentcheck {

// Those that were compiled and that this processor supports, fastest first.
const std::vector<const Kernel*>& kernels();

// The one that the environment variable XENTCHECK_KERNELS_ISA names when it is asked for first, or the fastest.
// std::invalid_argument for a name that is none of `kernels()`.
const Kernel& chosen_kernel();

}  // namespace xentcheck
