// Vectors of float64 for AVX-512, see simd_avx512.h. Powers of two are 16, the polynomial is of degree 6.

struct F64 {
  using real = double;
  using reg = __m512d;
  static constexpr int width = 8;
  static constexpr real largest_reference = 1e6;
  static constexpr real headroom = 0x1p+300;

  static __mmask8 first8(int n) { return static_cast<__mmask8>((1u << n) - 1); }
  static reg set(real a) { return _mm512_set1_pd(a); }
  static reg load(const double* p) { return _mm512_loadu_pd(p); }
  static reg load_part(const double* p, int n) { return _mm512_mask_loadu_pd(set(-INFINITY), first8(n), p); }
  static void store(double* p, reg v) { _mm512_storeu_pd(p, v); }
  static void store_part(double* p, reg v, int n) { _mm512_mask_storeu_pd(p, first8(n), v); }
  static void load_twins(const double* p, reg& a, reg& b) { a = load(p), b = load(p + 8); }
  template <bool STREAM>
  static void store_pair(double* p, reg a, reg b) {
    if (STREAM)
      _mm512_stream_pd(p, a), _mm512_stream_pd(p + 8, b);
    else
      store(p, a), store(p + 8, b);
  }
  template <bool STREAM>
  static void store_twins(double* p, reg a, reg b) {
    store_pair<STREAM>(p, a, b);
  }
  static void fence() { _mm_sfence(); }

  static reg add(reg a, reg b) { return _mm512_add_pd(a, b); }
  static reg sub(reg a, reg b) { return _mm512_sub_pd(a, b); }
  static reg mul(reg a, reg b) { return _mm512_mul_pd(a, b); }
  static reg fma(reg a, reg b, reg c) { return _mm512_fmadd_pd(a, b, c); }
  static reg max(reg a, reg b) { return _mm512_max_pd(a, b); }
  static real max_of(reg a) { return _mm512_reduce_max_pd(a); }
  static bool any_above(reg a, real b) { return _mm512_cmp_pd_mask(a, set(b), _CMP_NLE_UQ) != 0; }
  static reg first(reg v, int n, reg others) { return _mm512_mask_mov_pd(others, first8(n), v); }
  static reg with_lane(reg v, int lane, real a) {
    return _mm512_mask_mov_pd(v, static_cast<__mmask8>(1u << lane), set(a));
  }
  static reg zero_where_zero(reg of, reg v) {
    return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(of, set(0), _CMP_NEQ_UQ), v);
  }

  struct Sum {
    reg sum = _mm512_setzero_pd();
    void add(reg v) { sum = _mm512_add_pd(sum, v); }
    double total() const { return _mm512_reduce_add_pd(sum); }
  };
  struct Exp : Referred<Exp, real> {
    static constexpr real magic = 0x1.8p+48, log2e = 0x1.71547652b82fep+0, log2e_low = 0x1.777d0ffda0d24p-56;
    reg n, low, high, scaled_low, scaled_high;
    bool is_fast;

    reg operator()(reg x) const {
      const Terms e(x);
      const reg power = _mm512_scalef_pd(entry(e, scaled_low, scaled_high), e.u);
      return fma(mul(power, e.r), e.slope, power);
    }
    reg add_to(reg sum, reg x) const { return add(sum, (*this)(x)); }
    reg careful(reg x) const {
      const Terms e(max(set((reference - 5000) * 0.6931), x));
      const reg power = _mm512_scalef_pd(entry(e, low, high), sub(e.u, n));
      return fma(mul(power, e.r), e.slope, power);
    }

   private:
    friend Referred;
    struct Terms {
      reg t, u, r, slope;
      explicit Terms(reg x) {
        t = fma(x, set(log2e), set(magic)), u = sub(t, set(magic));
        r = fma(x, set(log2e_low), _mm512_fmsub_pd(x, set(log2e), u));
        slope = fma(r, set(0x1.430a1d168bf62p-13), set(0x1.5d897e66039f9p-10));
        slope = fma(slope, r, set(0x1.3b2ab6fb41170p-7));
        slope = fma(slope, r, set(0x1.c6b08d6f2a0b1p-5));
        slope = fma(slope, r, set(0x1.ebfbdff82c590p-3));
        slope = fma(slope, r, set(0x1.62e42fefa39f3p-1));
      }
    };
    static reg entry(const Terms& e, reg low, reg high) {
      return _mm512_permutex2var_pd(low, _mm512_castpd_si512(e.t), high);
    }
    Exp(real reference, real n, real factor) : Referred{reference}, n(set(n)), is_fast(std::fabs(n) <= 1000) {
      alignas(64) static const double powers[16] = {0x1p+0,
                                                    0x1.0b5586cf9890fp+0,
                                                    0x1.172b83c7d517bp+0,
                                                    0x1.2387a6e756238p+0,
                                                    0x1.306fe0a31b715p+0,
                                                    0x1.3dea64c123422p+0,
                                                    0x1.4bfdad5362a27p+0,
                                                    0x1.5ab07dd485429p+0,
                                                    0x1.6a09e667f3bcdp+0,
                                                    0x1.7a11473eb0187p+0,
                                                    0x1.8ace5422aa0dbp+0,
                                                    0x1.9c49182a3f090p+0,
                                                    0x1.ae89f995ad3adp+0,
                                                    0x1.c199bdd85529cp+0,
                                                    0x1.d5818dcfba487p+0,
                                                    0x1.ea4afa2a490dap+0};
      low = mul(load(powers), set(factor)), high = mul(load(powers + 8), set(factor));
      scaled_low = _mm512_scalef_pd(low, set(-n)), scaled_high = _mm512_scalef_pd(high, set(-n));
    }
  };
};
