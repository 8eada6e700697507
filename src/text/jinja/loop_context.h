#pragma once

#include <optional>

#include "text/jinja/interpreter.h"

namespace bitnet::jinja {

/// The `loop` of a for statement.
class LoopContext : public Object, public std::enable_shared_from_this<LoopContext> {
 public:
  /// `recurse` is null unless the loop is recursive.
  LoopContext(Machine& machine, const Value& iterable, std::int64_t depth0,
              std::function<Value(const Value&, std::int64_t)> recurse);

  /// Moves to the next item.
  bool advance(Value& item);

  [[nodiscard]] std::string_view type_name() const override { return "LoopContext"; }
  [[nodiscard]] bool callable() const override { return true; }
  Value call(Machine& machine, Arguments& arguments) override;
  Value attribute(Machine& machine, std::string_view name) override;
  [[nodiscard]] std::string repr(Machine& machine) const override;
  void clear() override;

 private:
  /// Missing when there is no next item.
  const Value& peek();
  std::int64_t length();
  bool changed(const std::vector<Value>& values);

  Machine& machine_;
  std::optional<Cursor> cursor_;
  std::optional<std::int64_t> length_;
  Value after_, current_, before_;
  std::vector<Value> last_changed_;
  bool ever_changed_ = false;
  std::int64_t index0_ = -1;
  std::int64_t depth0_;
  std::function<Value(const Value&, std::int64_t)> recurse_;
};

}  // namespace bitnet::jinja
