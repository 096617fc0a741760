// The rows of AVX2, FMA and F16C.
#include "rows.h"

#include <immintrin.h>

#include <cmath>
#include <cstring>

namespace xentcheck::avx2_rows {
#include "vectors.inc"
#include "simd_avx2.h"
#include "scalars.inc"
#include "exponentials.inc"
#include "index_rows.inc"
#include "dense_rows.inc"
#include "all_rows.inc"

static bool is_supported() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
}  // namespace xentcheck::avx2_rows

namespace xentcheck {
const Kernel avx2{"avx2", avx2_rows::is_supported, avx2_rows::scratch_bytes, avx2_rows::rows};
}
