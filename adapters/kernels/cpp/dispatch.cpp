#include "dispatch.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace xentcheck {
namespace {

constexpr const char* kVariable = "XENTCHECK_KERNELS_ISA";

const Kernel& choose() {
  const char* wanted = std::getenv(kVariable);
  if (!wanted || !*wanted) return *kernels().front();
  std::string names;
  for (const Kernel* kernel : kernels()) {
    if (wanted == std::string(kernel->name)) return *kernel;
    names += (names.empty() ? "" : ", ") + std::string(kernel->name);
  }
  throw std::invalid_argument(std::string(kVariable) + ": got '" + wanted + "', expected one that was compiled and that this processor supports: " + names);
}

}  // namespace

const std::vector<const Kernel*>& kernels() {
  static const std::vector<const Kernel*> supported = [] {
    std::vector<const Kernel*> found;
#if defined(__x86_64__) || defined(_M_X64)
    for (const Kernel* kernel : {&avx512, &avx2})
      if (kernel->is_supported()) found.push_back(kernel);
#endif
    found.push_back(&portable);
    return found;
  }();
  return supported;
}

const Kernel& chosen_kernel() {
  static std::atomic<const Kernel*> chosen{nullptr};  // an error is not remembered
  const Kernel* kernel = chosen.load(std::memory_order_acquire);
  if (!kernel) chosen.store(kernel = &choose(), std::memory_order_release);
  return *kernel;
}

}  // namespace xentcheck
