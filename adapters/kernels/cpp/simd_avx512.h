// Vectors of AVX-512. Included inside the namespace of its instruction set, after vectors.inc.
//
// Exponentials are exp(x) 2^-N: a power of two moves no digit. With t = x log2(e) rounded to a multiple
// of 1/16 they are 2^(t - N) p(x log2(e) - t): a table, an exact scaling that underflows gradually, and a polynomial.
// One that N is too small for is large or inf, never wrong.

static inline __mmask16 first16(int n) { return static_cast<__mmask16>((1u << n) - 1); }

struct F32 {
  using real = float;
  using reg = __m512;
  static constexpr int width = 16;
  static constexpr real largest_reference = 80000;  // to which the rounding of t by addition reaches
  static constexpr real headroom = 0x1p+40f;        // largest sum of a lane that the reference is near enough for

  static reg set(real a) { return _mm512_set1_ps(a); }
  static reg load(const float* p) { return _mm512_loadu_ps(p); }
  static reg widened(__m256i v, bfloat16) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
  }
  static reg widened(__m256i v, float16) { return _mm512_cvtph_ps(v); }
  template <class T>
  static reg load(const T* p) {
    return widened(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), T{});
  }
  // the first n values, and -inf
  static reg load_part(const float* p, int n) { return _mm512_mask_loadu_ps(set(-INFINITY), first16(n), p); }
  template <class T>
  static reg load_part(const T* p, int n) {
    return _mm512_mask_mov_ps(set(-INFINITY), first16(n), widened(_mm256_maskz_loadu_epi16(first16(n), p), T{}));
  }

  // To the nearest bfloat16, in the upper halves; of two that are as near, away from zero, which is one addition
  // instead of four operations. (The processor's own conversion makes zeros of subnormals.)
  static __m512i rounded(reg v) { return _mm512_add_epi32(_mm512_castps_si512(v), _mm512_set1_epi32(0x8000)); }
  static __m256i narrowed(reg v, bfloat16) { return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded(v), 16)); }
  static __m256i narrowed(reg v, float16) { return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT); }
  static void store(float* p, reg v) { _mm512_storeu_ps(p, v); }
  template <class T>
  static void store(T* p, reg v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrowed(v, T{}));
  }
  static void store_part(float* p, reg v, int n) { _mm512_mask_storeu_ps(p, first16(n), v); }
  template <class T>
  static void store_part(T* p, reg v, int n) {
    _mm256_mask_storeu_epi16(p, first16(n), narrowed(v, T{}));
  }

  // Two registers of values that follow one another, in whatever order between the two is cheapest: `load_twins` and
  // `store_twins` agree on it.
  static void load_twins(const float* p, reg& a, reg& b) { a = load(p), b = load(p + 16); }
  static void load_twins(const float16* p, reg& a, reg& b) { a = load(p), b = load(p + 16); }
  static void load_twins(const bfloat16* p, reg& a, reg& b) {  // even and odd values
    __m512i v = _mm512_loadu_si512(p);
    a = _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
    b = _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(static_cast<int>(0xffff0000))));
  }
  template <bool STREAM>
  static void store_bits(void* p, __m512i v) {
    if (STREAM)
      _mm512_stream_si512(static_cast<__m512i*>(p), v);
    else
      _mm512_storeu_si512(p, v);
  }
  template <bool STREAM>
  static void store_pair(float* p, reg a, reg b) {
    store_bits<STREAM>(p, _mm512_castps_si512(a)), store_bits<STREAM>(p + 16, _mm512_castps_si512(b));
  }
  template <bool STREAM, class T>
  static void store_pair(T* p, reg a, reg b) {
    store_bits<STREAM>(p, _mm512_inserti64x4(_mm512_castsi256_si512(narrowed(a, T{})), narrowed(b, T{}), 1));
  }
  template <bool STREAM, class T>
  static void store_twins(T* p, reg a, reg b) {
    store_pair<STREAM>(p, a, b);
  }
  template <bool STREAM>
  static void store_twins(bfloat16* p, reg a, reg b) {
    store_bits<STREAM>(p, _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(rounded(a), 16), rounded(b)));
  }
  static void fence() { _mm_sfence(); }

  static reg add(reg a, reg b) { return _mm512_add_ps(a, b); }
  static reg sub(reg a, reg b) { return _mm512_sub_ps(a, b); }
  static reg mul(reg a, reg b) { return _mm512_mul_ps(a, b); }
  static reg fma(reg a, reg b, reg c) { return _mm512_fmadd_ps(a, b, c); }
  static reg max(reg a, reg b) { return _mm512_max_ps(a, b); }  // b where either is NaN
  static real max_of(reg a) { return _mm512_reduce_max_ps(a); }
  static bool any_above(reg a, real b) { return _mm512_cmp_ps_mask(a, set(b), _CMP_NLE_UQ) != 0; }  // or NaN
  static reg first(reg v, int n, reg others) { return _mm512_mask_mov_ps(others, first16(n), v); }
  static reg with_lane(reg v, int lane, real a) {
    return _mm512_mask_mov_ps(v, static_cast<__mmask16>(1u << lane), set(a));
  }
  static reg zero_where_zero(reg of, reg v) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(of, set(0), _CMP_NEQ_UQ), v);
  }
  static void halves(reg v, __m512d& low, __m512d& high) {
    low = _mm512_cvtps_pd(_mm512_castps512_ps256(v)), high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
  }

  struct Sum {  // in float64
    __m512d low = _mm512_setzero_pd(), high = _mm512_setzero_pd();
    void add(reg v) {
      __m512d a, b;
      halves(v, a, b);
      low = _mm512_add_pd(low, a), high = _mm512_add_pd(high, b);
    }
    double total() const { return _mm512_reduce_add_pd(_mm512_add_pd(low, high)); }
    double most() const { return _mm512_reduce_max_pd(_mm512_max_pd(low, high)); }  // of a lane
  };

  // exp(x) 2^-N by 16 powers of two and a cubic: errs by less than one ulp.
  struct Exp : Referred<Exp, real> {
    static constexpr real magic = 0x1.8p+19;  // added to t it leaves multiples of 1/16
    static constexpr real log2e = 0x1.715476p+0f, log2e_low = 0x1.4ae0cp-26f;
    reg n, powers, scaled_powers;
    bool is_fast;  // whether operator() holds: then n is in its powers already

    reg operator()(reg x) const {  // NaN for -inf, and what is as far below
      const Terms e(x);
      const reg power = _mm512_scalef_ps(entry(e, scaled_powers), e.u);
      return fma(mul(power, e.r), e.slope, power);
    }
    reg add_to(reg sum, reg x) const {
      const Terms e(x);
      return fma(_mm512_scalef_ps(entry(e, scaled_powers), e.u), fma(e.slope, e.r, set(1)), sum);
    }
    reg careful(reg x) const {  // 0 for -inf; with any n
      const Terms e(max(set((reference - 600) * 0.6931f), x));
      const reg power = _mm512_scalef_ps(entry(e, powers), sub(e.u, n));
      return fma(mul(power, e.r), e.slope, power);
    }

   private:
    friend Referred;
    struct Terms {
      reg t, u, r, slope;
      explicit Terms(reg x) {
        t = fma(x, set(log2e), set(magic)), u = sub(t, set(magic));
        r = fma(x, set(log2e_low), _mm512_fmsub_ps(x, set(log2e), u));
        slope = fma(fma(r, set(0x1.c6b29ap-5f), set(0x1.ebff92p-3f)), r, set(0x1.62e43p-1f));
      }
    };
    static reg entry(const Terms& e, reg table) { return _mm512_permutexvar_ps(_mm512_castps_si512(e.t), table); }
    Exp(real reference, real n, real factor) : Referred{reference}, n(set(n)), is_fast(std::fabs(n) <= 100) {
      alignas(64) static const float table[16] = {0x1p+0f,        0x1.0b5586p+0f, 0x1.172b84p+0f, 0x1.2387a6p+0f,
                                                  0x1.306fep+0f,  0x1.3dea64p+0f, 0x1.4bfdaep+0f, 0x1.5ab07ep+0f,
                                                  0x1.6a09e6p+0f, 0x1.7a1148p+0f, 0x1.8ace54p+0f, 0x1.9c4918p+0f,
                                                  0x1.ae89fap+0f, 0x1.c199bep+0f, 0x1.d5818ep+0f, 0x1.ea4afap+0f};
      powers = mul(load(table), set(factor));
      scaled_powers = _mm512_scalef_ps(powers, set(-n));
    }
  };

  // The same for 16-bit logits, by 32 powers and a parabola. x log2(e) - N is rounded, which errs by 2^-24 of it; and
  // the float32 next to log2(e) stands for it, so these are powers of a base that is 1.3e-8 off, in `power` as well.
  struct Exp16 : Referred<Exp16, real> {
    static constexpr real log2e = 0x1.715476p+0f, magic = 0x1.8p+18;
    static constexpr int down = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
    reg n, low, high;
    static constexpr bool is_fast = true;

    static double power(double x, double reference) { return exp2(x * log2e - reference); }
    reg operator()(reg x) const {
      const Terms e(*this, x);
      return mul(e.power, e.rest);
    }
    reg add_to(reg sum, reg x) const {
      const Terms e(*this, x);
      return fma(e.power, e.rest, sum);
    }
    reg careful(reg x) const { return (*this)(x); }  // 0 for -inf as it is

   private:
    friend Referred;
    struct Terms {
      reg power, rest;
      Terms(const Exp16& e, reg x) {
        reg t = _mm512_fmsub_ps(x, set(log2e), e.n);
        __m512i step = _mm512_castps_si512(_mm512_add_round_ps(t, set(magic), down));
        reg r = _mm512_reduce_ps(t, 5 << 4 | down);  // t less its multiple of 1/32
        power = _mm512_scalef_ps(_mm512_permutex2var_ps(e.low, step, e.high), t);
        rest = fma(fma(r, set(0x1.f15848p-3f), set(0x1.62e028p-1f)), r, set(1));
      }
    };
    Exp16(real reference, real n, real factor) : Referred{reference}, n(set(n)) {
      alignas(64) static const float table[32] = {
          0x1p+0f,        0x1.059b0ep+0f, 0x1.0b5586p+0f, 0x1.11301ep+0f, 0x1.172b84p+0f, 0x1.1d4874p+0f,
          0x1.2387a6p+0f, 0x1.29e9ep+0f,  0x1.306fep+0f,  0x1.371a74p+0f, 0x1.3dea64p+0f, 0x1.44e086p+0f,
          0x1.4bfdaep+0f, 0x1.5342b6p+0f, 0x1.5ab07ep+0f, 0x1.6247ecp+0f, 0x1.6a09e6p+0f, 0x1.71f75ep+0f,
          0x1.7a1148p+0f, 0x1.82589ap+0f, 0x1.8ace54p+0f, 0x1.93737cp+0f, 0x1.9c4918p+0f, 0x1.a5503cp+0f,
          0x1.ae89fap+0f, 0x1.b7f77p+0f,  0x1.c199bep+0f, 0x1.cb720ep+0f, 0x1.d5818ep+0f, 0x1.dfc974p+0f,
          0x1.ea4afap+0f, 0x1.f50766p+0f};
      low = mul(load(table), set(factor)), high = mul(load(table + 16), set(factor));
    }
  };
};

#include "simd_avx512_float64.h"
