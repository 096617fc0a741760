// Rulers for the kernels' speed. The roofline: bytes read, copied and streamed as fast as the memory allows, whatever a
// loss would compute of them. The scalar loop: the same loss as a compiler makes it that found nothing to vectorise.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <stdexcept>

#include "pool.h"
#include "scalar.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace nb = nanobind;

namespace xentcheck {
namespace {

constexpr int64_t kStep = 256;         // bytes that one step of a loop moves
constexpr int64_t kPiece = 256 << 10;  // bytes that a thread takes at a time, where there are more
constexpr int64_t kLeast = 16 << 10;   // bytes of a piece that another thread is worth waking for

// The loops over whole steps of kStep bytes, from one end to the other, as rows are read one after another. `other` may be
// null; `out` is then a copy of `source`, else their bitwise sum, the cheapest function of both.
struct Loops {
  uint64_t (*read)(const char* source, const char* other, int64_t bytes);
  void (*write)(char* out, const char* source, const char* other, int64_t bytes);
  void (*stream)(char* out, const char* source, const char* other, int64_t bytes);  // past the caches; `out` aligned
};

uint64_t plain_read(const char* source, const char* other, int64_t bytes) {
  uint64_t sums[8] = {};
  for (int64_t at = 0; at < bytes; at += 64) {
    uint64_t words[8];
    std::memcpy(words, source + at, 64);
    for (int i = 0; i < 8; ++i) sums[i] |= words[i];
    if (!other) continue;
    std::memcpy(words, other + at, 64);
    for (int i = 0; i < 8; ++i) sums[i] |= words[i];
  }
  for (int i = 1; i < 8; ++i) sums[0] |= sums[i];
  return sums[0];
}

void plain_write(char* out, const char* source, const char* other, int64_t bytes) {
  if (!other) {
    std::memcpy(out, source, bytes);
    return;
  }
  for (int64_t at = 0; at < bytes; at += 64) {
    uint64_t words[8], more[8];
    std::memcpy(words, source + at, 64);
    std::memcpy(more, other + at, 64);
    for (int i = 0; i < 8; ++i) words[i] |= more[i];
    std::memcpy(out + at, words, 64);
  }
}

constexpr Loops kPlain{plain_read, plain_write, plain_write};

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f")))

AVX2 uint64_t avx2_read(const char* source, const char* other, int64_t bytes) {
  __m256i sums[8];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (int64_t at = 0; at < bytes; at += 256)
    for (const char* from : {source, other})
      for (int i = 0; from && i < 8; ++i)
        sums[i] = _mm256_or_si256(sums[i], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + at + 32 * i)));
  for (int i = 1; i < 8; ++i) sums[0] = _mm256_or_si256(sums[0], sums[i]);
  return static_cast<uint64_t>(_mm256_extract_epi64(sums[0], 0) | _mm256_extract_epi64(sums[0], 2));
}

template <bool streamed>
AVX2 void avx2_write(char* out, const char* source, const char* other, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += 256)
    for (int i = 0; i < 8; ++i) {
      __m256i value = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + at + 32 * i));
      if (other)
        value = _mm256_or_si256(value, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(other + at + 32 * i)));
      auto* to = reinterpret_cast<__m256i*>(out + at + 32 * i);
      streamed ? _mm256_stream_si256(to, value) : _mm256_storeu_si256(to, value);
    }
  if (streamed) _mm_sfence();
}

constexpr Loops kAvx2{avx2_read, avx2_write<false>, avx2_write<true>};

AVX512 uint64_t avx512_read(const char* source, const char* other, int64_t bytes) {
  __m512i sums[4];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (int64_t at = 0; at < bytes; at += 256)
    for (const char* from : {source, other})
      for (int i = 0; from && i < 4; ++i) sums[i] = _mm512_or_si512(sums[i], _mm512_loadu_si512(from + at + 64 * i));
  for (int i = 1; i < 4; ++i) sums[0] = _mm512_or_si512(sums[0], sums[i]);
  return static_cast<uint64_t>(_mm512_reduce_or_epi64(sums[0]));
}

template <bool streamed>
AVX512 void avx512_write(char* out, const char* source, const char* other, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += 256)
    for (int i = 0; i < 4; ++i) {
      __m512i value = _mm512_loadu_si512(source + at + 64 * i);
      if (other) value = _mm512_or_si512(value, _mm512_loadu_si512(other + at + 64 * i));
      auto* to = reinterpret_cast<__m512i*>(out + at + 64 * i);
      streamed ? _mm512_stream_si512(to, value) : _mm512_storeu_si512(to, value);
    }
  if (streamed) _mm_sfence();
}

constexpr Loops kAvx512{avx512_read, avx512_write<false>, avx512_write<true>};
#endif

const Loops& loops() {
#if defined(__x86_64__)
  static const Loops& chosen =
      __builtin_cpu_supports("avx512f") ? kAvx512 : __builtin_cpu_supports("avx2") ? kAvx2 : kPlain;
  return chosen;
#else
  return kPlain;
#endif
}

volatile uint64_t sink;  // what was read is used, as far as a compiler can tell

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Out = nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// `move(from, bytes)` on all pieces, shared out to the threads, `repeats` times.
template <class Move>
void share_out(int64_t bytes, int threads, int64_t repeats, const Move& move) {
  const int64_t steps = bytes / kStep;
  int64_t pieces = threads == 1 ? 1 : std::max<int64_t>(bytes / kPiece, threads);
  if (bytes / pieces < kLeast) pieces = 1;
  for (int64_t i = 0; i < repeats; ++i)
    Pool::of_process().run(pieces, threads, [&](int64_t piece, int) {
      const int64_t from = steps * piece / pieces, to = steps * (piece + 1) / pieces;
      move(from * kStep, (to - from) * kStep);
    });
}

void read_bytes(const Bytes& source, const std::optional<Bytes>& other, int threads, int64_t repeats) {
  auto* one = reinterpret_cast<const char*>(source.data());
  auto* two = other ? reinterpret_cast<const char*>(other->data()) : nullptr;
  share_out(source.nbytes(), threads, repeats, [=](int64_t from, int64_t bytes) {
    sink = loops().read(one + from, two ? two + from : nullptr, bytes);
  });
}

void write_bytes(const Out& out, const Bytes& source, const std::optional<Bytes>& other, bool past_caches, int threads,
           int64_t repeats) {
  if (past_caches && reinterpret_cast<uintptr_t>(out.data()) % 64)
    throw std::invalid_argument("out must begin at a multiple of 64 bytes to be written past the caches");
  const auto loop = past_caches ? loops().stream : loops().write;
  auto* to = reinterpret_cast<char*>(out.data());
  auto* one = reinterpret_cast<const char*>(source.data());
  auto* two = other ? reinterpret_cast<const char*>(other->data()) : nullptr;
  share_out(source.nbytes(), threads, repeats, [=](int64_t from, int64_t bytes) {
    loop(to + from, one + from, two ? two + from : nullptr, bytes);
  });
}

template <class T, class Number>
void scalar(const Bytes& logits, const Bytes& labels, bool dense, const Out& loss, const std::optional<Out>& grad) {
  const auto rows = static_cast<int64_t>(loss.nbytes() / sizeof(Number));
  const auto classes = static_cast<int64_t>(logits.nbytes() / sizeof(T)) / rows;
  scalar_rows<T, Number>(reinterpret_cast<const T*>(logits.data()),
                         dense ? nullptr : reinterpret_cast<const int64_t*>(labels.data()),
                         dense ? reinterpret_cast<const T*>(labels.data()) : nullptr, rows, classes,
                         reinterpret_cast<Number*>(loss.data()), grad ? reinterpret_cast<T*>(grad->data()) : nullptr);
}

}  // namespace
}  // namespace xentcheck

NB_MODULE(_roofline, module) {
  using namespace xentcheck;
  using namespace nb::literals;
  const auto without_gil = nb::call_guard<nb::gil_scoped_release>();
  const auto other = "other"_a.none(), grad = "grad"_a.none();
  module.def("read", &read_bytes, "source"_a, other, "threads"_a, "repeats"_a, without_gil);
  module.def("write", &write_bytes, "out"_a, "source"_a, other, "past_caches"_a, "threads"_a, "repeats"_a, without_gil);
  const auto def_scalar = [&](const char* name, auto* rows) {
    module.def(name, rows, "logits"_a, "labels"_a, "dense"_a, "loss"_a, grad, without_gil);
  };
  def_scalar("scalar_float32", &scalar<float, float>);
  def_scalar("scalar_float64", &scalar<double, double>);
  def_scalar("scalar_bfloat16", &scalar<BFloat16, float>);
}
