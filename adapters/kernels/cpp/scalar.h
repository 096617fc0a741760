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

// logits (rows, classes) of T, computed in Number. Labels are class indices, or rows over the classes where `dense` is not
// null. The gradient, unless null, is that of the mean over the rows.
template <class T, class Number>
void scalar_rows(const T* logits, const int64_t* labels, const T* dense, int64_t rows, int64_t classes, Number* loss,
                 T* grad) {
  for (int64_t row = 0; row < rows; ++row) {
    const T* x = logits + row * classes;
    const T* t = dense ? dense + row * classes : nullptr;
    Number maximum = x[0], sum = 0, mass = 1, product = 0;
    for (int64_t c = 1; c < classes; ++c) maximum = std::max(maximum, static_cast<Number>(x[c]));
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<Number>(x[c]) - maximum);
    if (t) {
      mass = 0;
      for (int64_t c = 0; c < classes; ++c) {
        mass += static_cast<Number>(t[c]);
        product += static_cast<Number>(t[c]) * x[c];
      }
    } else {
      product = x[labels[row]];
    }
    loss[row] = mass * (std::log(sum) + maximum) - product;
    if (!grad) continue;
    for (int64_t c = 0; c < classes; ++c) {
      const Number label = t ? static_cast<Number>(t[c]) : static_cast<Number>(c == labels[row]);
      const Number softmax = std::exp(static_cast<Number>(x[c]) - maximum) / sum;
      grad[row * classes + c] = (mass * softmax - label) / static_cast<Number>(rows);
    }
  }
}

}  // namespace xentcheck
