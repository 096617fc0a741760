// Vectors of AVX-512. Included inside the namespace of its instruction set: nothing here may be shared with a translation
// unit that was built for another one, where the linker would keep one of the two.
//
// Exponentials are exp(x) 2^-N, N an integer: a power of two moves no digit. With t = x log2(e) rounded to a multiple of
// 1/16 they are 2^(t - N) p(x log2(e) - t): a table, an exact scaling that underflows gradually, and a polynomial.

struct bfloat16 { uint16_t bits; };
struct float16 { uint16_t bits; };

static inline __mmask16 first16(int n) { return static_cast<__mmask16>((1u << n) - 1); }

struct F64;

struct F32 {
  using real = float;
  using reg = __m512;
  using wide = F64;
  static constexpr int width = 16;
  static constexpr real largest_reference = 80000;  // to which the rounding of t by addition reaches
  static constexpr real headroom = 40;              // binades above the reference that sums of a block can hold

  static reg set(real a) { return _mm512_set1_ps(a); }
  static reg load(const float* p) { return _mm512_loadu_ps(p); }
  static reg widened(__m256i v, bfloat16) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16)); }
  static reg widened(__m256i v, float16) { return _mm512_cvtph_ps(v); }
  template <class T> static reg load(const T* p) { return widened(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), T{}); }
  // the first n values, and -inf
  static reg load_part(const float* p, int n) { return _mm512_mask_loadu_ps(set(-INFINITY), first16(n), p); }
  template <class T> static reg load_part(const T* p, int n) {
    return _mm512_mask_mov_ps(set(-INFINITY), first16(n), widened(_mm256_maskz_loadu_epi16(first16(n), p), T{}));
  }

  // To nearest even, bfloat16 in the upper halves; the processor's own conversion makes zeros of subnormals.
  static __m512i rounded(reg v) {
    __m512i b = _mm512_castps_si512(v), odd = _mm512_and_si512(_mm512_srli_epi32(b, 16), _mm512_set1_epi32(1));
    return _mm512_add_epi32(_mm512_add_epi32(b, _mm512_set1_epi32(0x7fff)), odd);
  }
  static __m256i narrowed(reg v, bfloat16) { return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded(v), 16)); }
  static __m256i narrowed(reg v, float16) { return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT); }
  static void store(float* p, reg v) { _mm512_storeu_ps(p, v); }
  template <class T> static void store(T* p, reg v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), narrowed(v, T{})); }
  static void store_part(float* p, reg v, int n) { _mm512_mask_storeu_ps(p, first16(n), v); }
  template <class T> static void store_part(T* p, reg v, int n) { _mm256_mask_storeu_epi16(p, first16(n), narrowed(v, T{})); }

  // Two registers of values that follow one another, in whatever order between the two is cheapest: `load_twins` and
  // `store_twins` agree on it.
  static void load_twins(const float* p, reg& a, reg& b) { a = load(p), b = load(p + 16); }
  static void load_twins(const float16* p, reg& a, reg& b) { a = load(p), b = load(p + 16); }
  static void load_twins(const bfloat16* p, reg& a, reg& b) {  // even and odd values
    __m512i v = _mm512_loadu_si512(p);
    a = _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
    b = _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(static_cast<int>(0xffff0000))));
  }
  template <bool STREAM> static void store_bits(void* p, __m512i v) {
    if (STREAM) _mm512_stream_si512(static_cast<__m512i*>(p), v);
    else _mm512_storeu_si512(p, v);
  }
  template <bool STREAM> static void store_pair(float* p, reg a, reg b) {
    store_bits<STREAM>(p, _mm512_castps_si512(a)), store_bits<STREAM>(p + 16, _mm512_castps_si512(b));
  }
  template <bool STREAM, class T> static void store_pair(T* p, reg a, reg b) {
    store_bits<STREAM>(p, _mm512_inserti64x4(_mm512_castsi256_si512(narrowed(a, T{})), narrowed(b, T{}), 1));
  }
  template <bool STREAM, class T> static void store_twins(T* p, reg a, reg b) { store_pair<STREAM>(p, a, b); }
  template <bool STREAM> static void store_twins(bfloat16* p, reg a, reg b) {
    store_bits<STREAM>(p, _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_srli_epi32(rounded(a), 16), rounded(b)));
  }
  static void fence() { _mm_sfence(); }

  static reg add(reg a, reg b) { return _mm512_add_ps(a, b); }
  static reg sub(reg a, reg b) { return _mm512_sub_ps(a, b); }
  static reg mul(reg a, reg b) { return _mm512_mul_ps(a, b); }
  static reg fma(reg a, reg b, reg c) { return _mm512_fmadd_ps(a, b, c); }
  static reg max(reg a, reg b) { return _mm512_max_ps(a, b); }  // b where either is NaN
  static real max_of(reg a) { return _mm512_reduce_max_ps(a); }
  static bool any_above(reg a, real b) { return _mm512_cmp_ps_mask(a, set(b), _CMP_GT_OQ) != 0; }
  static reg first(reg v, int n, reg others) { return _mm512_mask_mov_ps(others, first16(n), v); }
  static reg with_lane(reg v, int lane, real a) { return _mm512_mask_mov_ps(v, static_cast<__mmask16>(1u << lane), set(a)); }
  static reg zero_where_zero(reg of, reg v) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(of, set(0), _CMP_NEQ_UQ), v); }
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
  };

  // What of the exponents was seen: the largest of the words of t, in whose order NaN and what is too small come last.
  struct Range {
    __m512i words = _mm512_setzero_si512();
    void see(reg t) { words = _mm512_max_epu32(words, _mm512_castps_si512(t)); }
    void see(const Range& other) { words = _mm512_max_epu32(words, other.words); }
    uint32_t top() const { return _mm512_reduce_max_epu32(words); }
  };

  // exp(x) 2^-N by a table of STEPS values and a polynomial: 16 and a cubic err by less than one ulp, 32 and a parabola
  // by three. The latter is for 16-bit logits: it takes the float32 nearest to log2(e) for log2(e) itself, so powers are
  // of a base that is 1.3e-8 off. What belongs to the same row must use the same one, see `power`.
  template <int STEPS> struct Table {
    static constexpr real magic = 1.5f * (1 << 23) / STEPS;  // added to t it leaves multiples of 1 / STEPS
    static constexpr real log2e = 0x1.715476p+0f, log2e_low = 0x1.4ae0cp-26f;
    real reference;
    reg n, low, high;

    static Table at(real reference) { return Table(reference, reference, 1); }
    // times a factor, whose power of two joins the reference: it neither underflows nor overflows on its own
    Table times(double factor) const {
      int exponent;
      real mantissa = static_cast<real>(frexp(factor, &exponent));
      return Table(reference, reference - exponent, mantissa);
    }
    // that of one number, in float64
    static double power(double x, double reference) {
      return STEPS == 32 ? exp2(x * log2e - reference) : exp((x - reference * 0x1.62e42feep-1) - reference * 0x1.a39ef35793c76p-33);
    }
    bool covers(const Range& seen) const { return seen.top() <= word(magic + reference + headroom); }
    double largest(const Range& seen) const { return exp2(static_cast<double>(real_of(seen.top())) - magic - reference); }
    reg clamp(reg x) const { return max(set((reference - 600) * 0.6931f), x); }  // whose power is 0; NaN stays
    real lowest() const { return (reference - 150) * 0.6931f; }  // covered, and its power counts for nothing
    reg operator()(reg x) const {
      Range unseen;
      return (*this)(x, unseen);
    }
    reg operator()(reg x, Range& seen) const {
      reg t = fma(x, set(log2e), set(magic)), u = sub(t, set(magic)), r = _mm512_fmsub_ps(x, set(log2e), u);
      seen.see(t);
      reg power = _mm512_scalef_ps(entry(t), sub(u, n));
      if constexpr (STEPS == 32) return fma(mul(power, r), fma(r, set(0x1.ebfc7ep-3f), set(0x1.62e514p-1f)), power);
      r = fma(x, set(log2e_low), r);
      reg p = fma(fma(r, set(0x1.c6b29ap-5f), set(0x1.ebff92p-3f)), r, set(0x1.62e43p-1f));
      return fma(mul(power, r), p, power);
    }

   private:
    static uint32_t word(real a) { uint32_t b; memcpy(&b, &a, 4); return b; }
    static real real_of(uint32_t b) { real a; memcpy(&a, &b, 4); return a; }
    Table(real reference, real n, real factor) : reference(reference), n(set(n)) {
      alignas(64) static const float powers[32] = {
          0x1p+0f, 0x1.059b0ep+0f, 0x1.0b5586p+0f, 0x1.11301ep+0f, 0x1.172b84p+0f, 0x1.1d4874p+0f, 0x1.2387a6p+0f, 0x1.29e9ep+0f,
          0x1.306fep+0f, 0x1.371a74p+0f, 0x1.3dea64p+0f, 0x1.44e086p+0f, 0x1.4bfdaep+0f, 0x1.5342b6p+0f, 0x1.5ab07ep+0f, 0x1.6247ecp+0f,
          0x1.6a09e6p+0f, 0x1.71f75ep+0f, 0x1.7a1148p+0f, 0x1.82589ap+0f, 0x1.8ace54p+0f, 0x1.93737cp+0f, 0x1.9c4918p+0f, 0x1.a5503cp+0f,
          0x1.ae89fap+0f, 0x1.b7f77p+0f, 0x1.c199bep+0f, 0x1.cb720ep+0f, 0x1.d5818ep+0f, 0x1.dfc974p+0f, 0x1.ea4afap+0f, 0x1.f50766p+0f};
      const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
      low = STEPS == 32 ? load(powers) : _mm512_permutex2var_ps(load(powers), even, load(powers + 16));
      low = mul(low, set(factor));
      high = mul(load(powers + 16), set(factor));
    }
    reg entry(reg t) const {
      if constexpr (STEPS == 32) return _mm512_permutex2var_ps(low, _mm512_castps_si512(t), high);
      return _mm512_permutexvar_ps(_mm512_castps_si512(t), low);
    }
  };
  using Exp = Table<16>;
  using Exp16 = Table<32>;  // of 16-bit logits
};

struct F64 {
  using real = double;
  using reg = __m512d;
  using wide = F64;
  static constexpr int width = 8;
  static constexpr real largest_reference = 1e6;
  static constexpr real headroom = 300;

  static __mmask8 first8(int n) { return static_cast<__mmask8>((1u << n) - 1); }
  static reg set(real a) { return _mm512_set1_pd(a); }
  static reg load(const double* p) { return _mm512_loadu_pd(p); }
  static reg load_part(const double* p, int n) { return _mm512_mask_loadu_pd(set(-INFINITY), first8(n), p); }
  static void store(double* p, reg v) { _mm512_storeu_pd(p, v); }
  static void store_part(double* p, reg v, int n) { _mm512_mask_storeu_pd(p, first8(n), v); }
  static void load_twins(const double* p, reg& a, reg& b) { a = load(p), b = load(p + 8); }
  template <bool STREAM> static void store_pair(double* p, reg a, reg b) {
    if (STREAM) _mm512_stream_pd(p, a), _mm512_stream_pd(p + 8, b);
    else store(p, a), store(p + 8, b);
  }
  template <bool STREAM> static void store_twins(double* p, reg a, reg b) { store_pair<STREAM>(p, a, b); }
  static void fence() { _mm_sfence(); }

  static reg add(reg a, reg b) { return _mm512_add_pd(a, b); }
  static reg sub(reg a, reg b) { return _mm512_sub_pd(a, b); }
  static reg mul(reg a, reg b) { return _mm512_mul_pd(a, b); }
  static reg fma(reg a, reg b, reg c) { return _mm512_fmadd_pd(a, b, c); }
  static reg max(reg a, reg b) { return _mm512_max_pd(a, b); }
  static real max_of(reg a) { return _mm512_reduce_max_pd(a); }
  static reg first(reg v, int n, reg others) { return _mm512_mask_mov_pd(others, first8(n), v); }
  static reg with_lane(reg v, int lane, real a) { return _mm512_mask_mov_pd(v, static_cast<__mmask8>(1u << lane), set(a)); }
  static reg zero_where_zero(reg of, reg v) { return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(of, set(0), _CMP_NEQ_UQ), v); }

  struct Sum {
    reg sum = _mm512_setzero_pd();
    void add(reg v) { sum = _mm512_add_pd(sum, v); }
    double total() const { return _mm512_reduce_add_pd(sum); }
  };
  struct Range {
    __m512i words = _mm512_setzero_si512();
    void see(reg t) { words = _mm512_max_epu64(words, _mm512_castpd_si512(t)); }
    void see(const Range& other) { words = _mm512_max_epu64(words, other.words); }
    uint64_t top() const { return _mm512_reduce_max_epu64(words); }
  };
  struct Exp {
    static constexpr real magic = 0x1.8p+48, log2e = 0x1.71547652b82fep+0, log2e_low = 0x1.777d0ffda0d24p-56;
    real reference;
    reg n, low, high;

    static Exp at(real reference) { return Exp(reference, reference, 1); }
    Exp times(double factor) const {
      int exponent;
      real mantissa = frexp(factor, &exponent);
      return Exp(reference, reference - exponent, mantissa);
    }
    static double power(double x, double reference) {
      return exp((x - reference * 0x1.62e42feep-1) - reference * 0x1.a39ef35793c76p-33);
    }
    bool covers(const Range& seen) const {
      real limit = magic + reference + headroom;
      uint64_t b;
      memcpy(&b, &limit, 8);
      return seen.top() <= b;
    }
    reg clamp(reg x) const { return max(set((reference - 5000) * 0.6931), x); }
    real lowest() const { return (reference - 1075) * 0.6931; }
    reg operator()(reg x) const {
      Range unseen;
      return (*this)(x, unseen);
    }
    reg operator()(reg x, Range& seen) const {
      reg t = fma(x, set(log2e), set(magic)), u = sub(t, set(magic));
      reg r = fma(x, set(log2e_low), _mm512_fmsub_pd(x, set(log2e), u));
      seen.see(t);
      reg power = _mm512_scalef_pd(_mm512_permutex2var_pd(low, _mm512_castpd_si512(t), high), sub(u, n));
      reg p = fma(r, set(0x1.430a1d168bf62p-13), set(0x1.5d897e66039f9p-10));
      p = fma(p, r, set(0x1.3b2ab6fb41170p-7));
      p = fma(p, r, set(0x1.c6b08d6f2a0b1p-5));
      p = fma(p, r, set(0x1.ebfbdff82c590p-3));
      p = fma(p, r, set(0x1.62e42fefa39f3p-1));
      return fma(mul(power, r), p, power);
    }

   private:
    Exp(real reference, real n, real factor) : reference(reference), n(set(n)) {
      alignas(64) static const double powers[16] = {
          0x1p+0, 0x1.0b5586cf9890fp+0, 0x1.172b83c7d517bp+0, 0x1.2387a6e756238p+0, 0x1.306fe0a31b715p+0, 0x1.3dea64c123422p+0,
          0x1.4bfdad5362a27p+0, 0x1.5ab07dd485429p+0, 0x1.6a09e667f3bcdp+0, 0x1.7a11473eb0187p+0, 0x1.8ace5422aa0dbp+0,
          0x1.9c49182a3f090p+0, 0x1.ae89f995ad3adp+0, 0x1.c199bdd85529cp+0, 0x1.d5818dcfba487p+0, 0x1.ea4afa2a490dap+0};
      low = mul(load(powers), set(factor)), high = mul(load(powers + 8), set(factor));
    }
  };
};
