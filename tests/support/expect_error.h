#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "bitnet/error.h"

namespace bitnet::testing_support {

/// Expects that `call` throws Error of `kind` with every one of `parts` in its message.
template <typename Call>
void expect_error(ErrorKind kind, std::initializer_list<std::string_view> parts, Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    for (const std::string_view part : parts) {
      EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos)
          << "\"" << part << "\" is not in: " << error.what();
    }
    return;
  }
  ADD_FAILURE() << "no error was thrown";
}

}  // namespace bitnet::testing_support
