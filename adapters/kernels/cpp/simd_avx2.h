// Vectors of AVX2, FMA and F16C. Included inside the namespace of its instruction set, see simd_avx512.h; where it says
// nothing, functions mean what they mean there.
//
// There is no scaling that underflows gradually: exponentials below the smallest normal number are 0.

struct F32 {
  using real = float;
  using reg = __m256;
  static constexpr int width = 8;
  static constexpr real largest_reference = 80000;
  static constexpr real headroom = 0x1p+40f;

  static reg set(real a) { return _mm256_set1_ps(a); }
  static reg lane_numbers() { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }
  static reg widened(__m128i v, bfloat16) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
  }
  static reg widened(__m128i v, float16) { return _mm256_cvtph_ps(v); }
  static reg load(const float* p) { return _mm256_loadu_ps(p); }
  template <class T>
  static reg load(const T* p) {
    return widened(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), T{});
  }
  template <class T>
  static reg load_part(const T* p, int n) {
    T values[width] = {};
    memcpy(values, p, static_cast<size_t>(n) * sizeof(T));
    return first(load(values), n, set(-INFINITY));
  }

  static __m128i narrowed(reg v, bfloat16) {  // to nearest even
    __m256i b = _mm256_castps_si256(v), odd = _mm256_and_si256(_mm256_srli_epi32(b, 16), _mm256_set1_epi32(1));
    b = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(b, _mm256_set1_epi32(0x7fff)), odd), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
  }
  static __m128i narrowed(reg v, float16) { return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT); }
  static void store(float* p, reg v) { _mm256_storeu_ps(p, v); }
  template <class T>
  static void store(T* p, reg v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrowed(v, T{}));
  }
  template <class T>
  static void store_part(T* p, reg v, int n) {
    T values[width];
    store(values, v);
    memcpy(static_cast<void*>(p), values, static_cast<size_t>(n) * sizeof(T));
  }

  template <class T>
  static void load_twins(const T* p, reg& a, reg& b) {
    a = load(p), b = load(p + width);
  }
  template <bool STREAM>
  static void store_bits(void* p, __m256i v) {
    if (STREAM)
      _mm256_stream_si256(static_cast<__m256i*>(p), v);
    else
      _mm256_storeu_si256(static_cast<__m256i*>(p), v);
  }
  template <bool STREAM>
  static void store_pair(float* p, reg a, reg b) {
    store_bits<STREAM>(p, _mm256_castps_si256(a)), store_bits<STREAM>(p + width, _mm256_castps_si256(b));
  }
  template <bool STREAM, class T>
  static void store_pair(T* p, reg a, reg b) {
    store_bits<STREAM>(p, _mm256_inserti128_si256(_mm256_castsi128_si256(narrowed(a, T{})), narrowed(b, T{}), 1));
  }
  template <bool STREAM, class T>
  static void store_twins(T* p, reg a, reg b) {
    store_pair<STREAM>(p, a, b);
  }
  static void fence() { _mm_sfence(); }

  static reg add(reg a, reg b) { return _mm256_add_ps(a, b); }
  static reg sub(reg a, reg b) { return _mm256_sub_ps(a, b); }
  static reg mul(reg a, reg b) { return _mm256_mul_ps(a, b); }
  static reg fma(reg a, reg b, reg c) { return _mm256_fmadd_ps(a, b, c); }
  static reg max(reg a, reg b) { return _mm256_max_ps(a, b); }
  static real max_of(reg a) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_shuffle_ps(m, m, 1)));
  }
  static bool any_above(reg a, real b) { return _mm256_movemask_ps(_mm256_cmp_ps(a, set(b), _CMP_NLE_UQ)) != 0; }
  static reg first(reg v, int n, reg others) {
    return _mm256_blendv_ps(others, v, _mm256_cmp_ps(lane_numbers(), set(static_cast<real>(n)), _CMP_LT_OQ));
  }
  static reg with_lane(reg v, int lane, real a) {
    return _mm256_blendv_ps(v, set(a), _mm256_cmp_ps(lane_numbers(), set(static_cast<real>(lane)), _CMP_EQ_OQ));
  }
  static reg zero_where_zero(reg of, reg v) { return _mm256_and_ps(_mm256_cmp_ps(of, set(0), _CMP_NEQ_UQ), v); }
  static void halves(reg v, __m256d& low, __m256d& high) {
    low = _mm256_cvtps_pd(_mm256_castps256_ps128(v)), high = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
  }

  struct Sum {
    __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
    void add(reg v) {
      __m256d a, b;
      halves(v, a, b);
      low = _mm256_add_pd(low, a), high = _mm256_add_pd(high, b);
    }
    double total() const {
      double v[4];
      _mm256_storeu_pd(v, _mm256_add_pd(low, high));
      return (v[0] + v[1]) + (v[2] + v[3]);
    }
    double most() const {
      double v[4];
      _mm256_storeu_pd(v, _mm256_max_pd(low, high));
      return fmax(fmax(v[0], v[1]), fmax(v[2], v[3]));
    }
  };

  // exp(x) 2^-N by 8 powers of two and a quartic.
  struct Exp : Referred<Exp, real> {
    static constexpr real magic = 0x1.8p+20;
    static constexpr real log2e = 0x1.715476p+0f, log2e_low = 0x1.4ae0cp-26f;
    reg n, least, most, powers;

    static constexpr bool is_fast = true;
    reg operator()(reg x) const {
      reg bounded = _mm256_min_ps(most, max(least, x));  // what is not has no exponent; NaN stays
      reg t = fma(bounded, set(log2e), set(magic)), u = sub(t, set(magic));
      reg r = fma(bounded, set(log2e_low), _mm256_fmsub_ps(bounded, set(log2e), u));
      __m256i fraction = _mm256_castps_si256(_mm256_permutevar8x32_ps(powers, _mm256_castps_si256(t)));
      reg power =
          _mm256_castsi256_ps(_mm256_add_epi32(fraction, _mm256_slli_epi32(_mm256_castps_si256(sub(t, n)), 20)));
      reg p = fma(fma(r, set(0x1.3b2fc4p-7f), set(0x1.c6bb7ap-5f)), r, set(0x1.ebfbep-3f));
      p = fma(mul(power, r), fma(p, r, set(0x1.62e43p-1f)), power);
      return _mm256_and_ps(_mm256_cmp_ps(x, least, _CMP_NLT_UQ), p);
    }
    reg add_to(reg sum, reg x) const { return add(sum, (*this)(x)); }
    reg careful(reg x) const { return (*this)(x); }

   private:
    friend Referred;
    Exp(real reference, real n, real factor) : Referred{reference}, n(set(n)), most(set((n + 126.9f) * 0.6931472f)) {
      least = set(factor == 0 ? INFINITY : (n - 126.03f) * 0.6931472f);  // 0 has no exponent
      static const float table[8] = {0x1p+0f,        0x1.172b84p+0f, 0x1.306fep+0f,  0x1.4bfdaep+0f,
                                     0x1.6a09e6p+0f, 0x1.8ace54p+0f, 0x1.ae89fap+0f, 0x1.d5818ep+0f};
      const __m256i steps = _mm256_slli_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), 20);
      __m256i bits = _mm256_castps_si256(mul(load(table), set(factor)));
      powers = _mm256_castsi256_ps(_mm256_sub_epi32(bits, steps));
    }
  };
  using Exp16 = Exp;
};

struct F64 {
  using real = double;
  using reg = __m256d;
  static constexpr int width = 4;
  static constexpr real largest_reference = 1e6;
  static constexpr real headroom = 0x1p+300;

  static reg set(real a) { return _mm256_set1_pd(a); }
  static reg lane_numbers() { return _mm256_setr_pd(0, 1, 2, 3); }
  static reg load(const double* p) { return _mm256_loadu_pd(p); }
  static reg load_part(const double* p, int n) {
    double values[width] = {};
    memcpy(values, p, static_cast<size_t>(n) * sizeof(double));
    return first(load(values), n, set(-INFINITY));
  }
  static void store(double* p, reg v) { _mm256_storeu_pd(p, v); }
  static void store_part(double* p, reg v, int n) {
    double values[width];
    store(values, v);
    memcpy(p, values, static_cast<size_t>(n) * sizeof(double));
  }
  static void load_twins(const double* p, reg& a, reg& b) { a = load(p), b = load(p + width); }
  template <bool STREAM>
  static void store_pair(double* p, reg a, reg b) {
    if (STREAM)
      _mm256_stream_pd(p, a), _mm256_stream_pd(p + width, b);
    else
      store(p, a), store(p + width, b);
  }
  template <bool STREAM>
  static void store_twins(double* p, reg a, reg b) {
    store_pair<STREAM>(p, a, b);
  }
  static void fence() { _mm_sfence(); }

  static reg add(reg a, reg b) { return _mm256_add_pd(a, b); }
  static reg sub(reg a, reg b) { return _mm256_sub_pd(a, b); }
  static reg mul(reg a, reg b) { return _mm256_mul_pd(a, b); }
  static reg fma(reg a, reg b, reg c) { return _mm256_fmadd_pd(a, b, c); }
  static reg max(reg a, reg b) { return _mm256_max_pd(a, b); }
  static reg min(reg a, reg b) { return _mm256_min_pd(a, b); }
  static real max_of(reg a) {
    double v[4];
    store(v, a);
    return fmax(fmax(v[0], v[1]), fmax(v[2], v[3]));
  }
  static bool any_above(reg a, real b) { return _mm256_movemask_pd(_mm256_cmp_pd(a, set(b), _CMP_NLE_UQ)) != 0; }
  static reg first(reg v, int n, reg others) {
    return _mm256_blendv_pd(others, v, _mm256_cmp_pd(lane_numbers(), set(n), _CMP_LT_OQ));
  }
  static reg with_lane(reg v, int lane, real a) {
    return _mm256_blendv_pd(v, set(a), _mm256_cmp_pd(lane_numbers(), set(lane), _CMP_EQ_OQ));
  }
  static reg zero_where_zero(reg of, reg v) { return _mm256_and_pd(_mm256_cmp_pd(of, set(0), _CMP_NEQ_UQ), v); }
  static reg zero_where_below(reg x, reg least, reg v) {
    return _mm256_and_pd(_mm256_cmp_pd(x, least, _CMP_NLT_UQ), v);
  }
  static reg times_power(reg v, reg integer_word) {  // of two, whose exponent is in the last bits
    return _mm256_castsi256_pd(
        _mm256_add_epi64(_mm256_castpd_si256(v), _mm256_slli_epi64(_mm256_castpd_si256(integer_word), 52)));
  }

  struct Sum {
    reg sum = _mm256_setzero_pd();
    void add(reg v) { sum = _mm256_add_pd(sum, v); }
    double total() const {
      double v[4];
      store(v, sum);
      return (v[0] + v[1]) + (v[2] + v[3]);
    }
  };
#include "exp_polynomial.inc"
};
