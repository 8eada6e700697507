#pragma once

#include <cstdint>

/// Does nothing but AVX-512 VNNI multiply-adds on registers; returns how many.
std::int64_t vnni_products(std::int64_t rounds);
