// The rows of any processor.
#include "rows.h"

#include <cmath>
#include <cstring>

namespace xentcheck::portable_rows {
#include "vectors.inc"
#include "simd_portable.h"
#include "scalars.inc"
#include "exponentials.inc"
#include "index_rows.inc"
#include "dense_rows.inc"
#include "all_rows.inc"

static bool is_supported() { return true; }
}  // namespace xentcheck::portable_rows

namespace xentcheck {
const Kernel portable{"portable", portable_rows::is_supported, portable_rows::scratch_bytes, portable_rows::rows};
}
