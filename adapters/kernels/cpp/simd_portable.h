// Vectors of the compiler's own (GCC 12, Clang 15), for any processor. Included inside the namespace of its instruction
// set, see simd_avx512.h; where it says nothing, functions mean what they mean there. There is no fma: products and
// sums round twice, so arguments are reduced by constants of few bits.

static inline float widened(float v) { return v; }
static inline double widened(double v) { return v; }
static inline float widened(bfloat16 v) {
  uint32_t b = static_cast<uint32_t>(v.bits) << 16;
  float f;
  memcpy(&f, &b, 4);
  return f;
}
static inline float widened(float16 v) {
  _Float16 h;
  memcpy(&h, &v, 2);
  return static_cast<float>(h);
}
static inline void narrow(float& to, float v) { to = v; }
static inline void narrow(double& to, double v) { to = v; }
static inline void narrow(bfloat16& to, float v) {  // to nearest even
  uint32_t b;
  memcpy(&b, &v, 4);
  to.bits = static_cast<uint16_t>((b + 0x7fff + (b >> 16 & 1)) >> 16);
}
static inline void narrow(float16& to, float v) {
  _Float16 h = static_cast<_Float16>(v);
  memcpy(&to, &h, 2);
}

template <class Real, class Word>
struct Vectors {
  using real = Real;
  typedef Real reg __attribute__((vector_size(16)));
  typedef Word word __attribute__((vector_size(16)));
  static constexpr int width = 16 / sizeof(Real);

  static reg set(real a) { return reg{} + a; }
  template <class T>
  static reg load(const T* p) {
    return load_part(p, width);
  }
  template <class T>
  static reg load_part(const T* p, int n) {
    reg v = set(-INFINITY);
    for (int i = 0; i < n; i++) v[i] = widened(p[i]);
    return v;
  }
  template <class T>
  static void store(T* p, reg v) {
    store_part(p, v, width);
  }
  template <class T>
  static void store_part(T* p, reg v, int n) {
    for (int i = 0; i < n; i++) narrow(p[i], v[i]);
  }
  template <class T>
  static void load_twins(const T* p, reg& a, reg& b) {
    a = load(p), b = load(p + width);
  }
  template <bool STREAM, class T>
  static void store_pair(T* p, reg a, reg b) {
    store(p, a), store(p + width, b);
  }
  template <bool STREAM, class T>
  static void store_twins(T* p, reg a, reg b) {
    store_pair<STREAM>(p, a, b);
  }
  static void fence() {}

  static reg add(reg a, reg b) { return a + b; }
  static reg sub(reg a, reg b) { return a - b; }
  static reg mul(reg a, reg b) { return a * b; }
  static reg fma(reg a, reg b, reg c) { return a * b + c; }
  static reg max(reg a, reg b) { return a > b ? a : b; }
  static reg min(reg a, reg b) { return a < b ? a : b; }
  static real max_of(reg a) {
    real m = a[0];
    for (int i = 1; i < width; i++) m = a[i] > m ? a[i] : m;
    return m;
  }
  static bool any_above(reg a, real b) {
    for (int i = 0; i < width; i++)
      if (!(a[i] <= b)) return true;
    return false;
  }
  static reg first(reg v, int n, reg others) {
    for (int i = 0; i < n; i++) others[i] = v[i];
    return others;
  }
  static reg with_lane(reg v, int lane, real a) {
    v[lane] = a;
    return v;
  }
  static reg zero_where_zero(reg of, reg v) { return of == 0 ? reg{} : v; }
  static reg zero_where_below(reg x, reg least, reg v) { return x < least ? reg{} : v; }
  static reg times_power(reg v, reg integer_word) {
    return reinterpret_cast<reg>(reinterpret_cast<word>(v) +
                                 (reinterpret_cast<word>(integer_word) << (sizeof(real) == 8 ? 52 : 23)));
  }
};

struct F64 : Vectors<double, uint64_t> {
  static constexpr real largest_reference = 1e6;
  static constexpr real headroom = 0x1p+300;
  struct Sum {
    reg sum{};
    void add(reg v) { sum += v; }
    double total() const { return sum[0] + sum[1]; }
  };
#include "exp_polynomial.inc"
};

struct F32 : Vectors<float, uint32_t> {
  static constexpr real largest_reference = 700;  // to which the reduction of arguments is exact enough
  static constexpr real headroom = 0x1p+40f;
  static void halves(reg v, F64::reg& low, F64::reg& high) { low = F64::reg{v[0], v[1]}, high = F64::reg{v[2], v[3]}; }
  struct Sum {
    F64::reg low{}, high{};
    void add(reg v) {
      F64::reg a, b;
      halves(v, a, b);
      low += a, high += b;
    }
    double total() const { return F64::Sum{low + high}.total(); }
    double most() const { return fmax(F64::max_of(low), F64::max_of(high)); }
  };

  // exp(x) 2^-N = 2^(n - N) (1 + r + r² q(r)), |r| <= ln(2) / 2
  struct Exp : Referred<Exp, real> {
    static constexpr real magic = 0x1.8p+23, log2e = 0x1.715476p+0f, ln2 = 0x1.628p-1f, ln2_low = 0x1.90bfbep-11f;
    reg n, least, most, factor;

    static constexpr bool is_fast = true;
    reg operator()(reg x) const {
      reg bounded = min(most, max(least, x));
      reg t = bounded * log2e + magic, u = t - magic;
      reg r = (bounded - u * ln2) - u * ln2_low;
      reg q = (((r * 0x1.6d117cp-10f + 0x1.120be2p-7f) * r + 0x1.555518p-5f) * r + 0x1.5554dcp-3f) * r + 0x1p-1f;
      reg p = (r * r * q + r) + 1;
      reg k = u - n, normal = max(k, set(-100));  // in two steps, so that it underflows gradually
      p = times_power(p * factor, normal + magic);
      p = p * times_power(set(1), (k - normal) + magic) +
          (bounded - bounded);  // NaN, whose exponent was changed, is NaN again
      return zero_where_below(x, least, p);
    }
    reg add_to(reg sum, reg x) const { return add(sum, (*this)(x)); }
    reg careful(reg x) const { return (*this)(x); }

   private:
    friend Referred;
    Exp(real reference, real n, real factor)
        : Referred{reference}, n(set(n)), most(set((n + 126.4f) * 0.6931472f)), factor(set(factor)) {
      least = set(factor == 0 ? INFINITY : (n - 155) * 0.6931472f);
    }
  };
  using Exp16 = Exp;
};
