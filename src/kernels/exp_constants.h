#pragma once
/// What every table's exponential function, and what follows from it, is made of (scalar/activation.cpp says how). Data
/// only.

namespace bitnet::kernels {

constexpr float kExpSmallest = -0x1.5d589ep6F;  ///< below: the result would be subnormal, and is 0
constexpr float kExpLargest = 0x1.62e42ep6F;    ///< above: infinity
constexpr float kLog2E = 0x1.715476p0F;
constexpr float kLn2High = 0x1.62e4p-1F;  ///< few enough bits that k · kLn2High is exact for |k| ≤ 128
constexpr float kLn2Low = 0x1.7f7d1cp-20F;
constexpr float kExpShift = 0x1.8p23F;  ///< adding it rounds to an integer and leaves that in the low bits
/// e^r for |r| ≤ ln 2 / 2, highest power first; relative error 1.1e-8 before rounding.
constexpr int kExpTerms = 7;
constexpr float kExpPolynomial[kExpTerms] = {
    0x1.6d1150p-10F, 0x1.120bb6p-7F, 0x1.55551ap-5F, 0x1.5554dcp-3F, 0.5F, 1.0F, 1.0F};

// gelu_tanh(x) = x / (1 + exp(-2u)), 2u = x · (linear + cubic · x²): 2 · sqrt(2 / π), and 0.044715 times that.
constexpr float kGeluLinear = 0x1.988454p0F;
constexpr float kGeluCubic = 0x1.2444f2p-4F;

}  // namespace bitnet::kernels
