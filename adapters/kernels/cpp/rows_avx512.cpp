// The rows of AVX-512 (F, BW, VL, DQ).
#include "rows.h"

#include <immintrin.h>

#include <cmath>
#include <cstring>

namespace xentcheck::avx512_rows {
#include "vectors.inc"
#include "simd_avx512.h"
#include "scalars.inc"
#include "exponentials.inc"
#include "index_rows.inc"
#include "dense_rows.inc"
#include "all_rows.inc"

static bool is_supported() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
}  // namespace xentcheck::avx512_rows

namespace xentcheck {
const Kernel avx512{"avx512", avx512_rows::is_supported, avx512_rows::scratch_bytes, avx512_rows::rows};
}
