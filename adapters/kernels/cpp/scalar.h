// Loss and gradient one number at a time: what a kernel becomes whose vector code is silently left out.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace xentcheck {

struct BFloat16 {
  uint16_t bits;
  BFloat16& operator=(float value) {  // to nearest, ties to even; NaN does not come here
    uint32_t word;
    std::memcpy(&word, &value, 4);
    bits = static_cast<uint16_t>((word + 0x7fff + ((word >> 16) & 1)) >> 16);
    return *this;
  }
  operator float() const {
    const uint32_t word = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &word, 4);
    return value;
  }
};

// logits (rows, classes) of T, computed in Number; the gradient, unless null, is that of the mean over the rows.
template <class T, class Number>
void scalar_rows(const T* logits, const int64_t* labels, int64_t rows, int64_t classes, Number* loss, T* grad) {
  for (int64_t row = 0; row < rows; ++row) {
    const T* x = logits + row * classes;
    Number maximum = x[0], sum = 0;
    for (int64_t c = 1; c < classes; ++c) maximum = std::max(maximum, static_cast<Number>(x[c]));
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<Number>(x[c]) - maximum);
    loss[row] = std::log(sum) + maximum - x[labels[row]];
    if (!grad) continue;
    for (int64_t c = 0; c < classes; ++c)
      grad[row * classes + c] =
          (std::exp(static_cast<Number>(x[c]) - maximum) / sum - (c == labels[row])) / static_cast<Number>(rows);
  }
}

}  // namespace xentcheck
