#pragma once
/// The bounds of one render, and the errors that name the template's line.

#include <fmt/format.h>

#include <chrono>
#include <functional>

#include "bitnet/error.h"
#include "text/jinja/value.h"

namespace bitnet::jinja {

struct Limits {
  std::size_t steps = 10'000'000;              ///< evaluation steps; work on long texts counts by its bytes
  std::size_t memory = std::size_t{64} << 20;  ///< bytes of the values alive at once, output included
  int depth = 1200;                            ///< nested statements, expressions and calls together
};

class Machine {
 public:
  Machine(std::string source_name, Limits limits) : source_(std::move(source_name)), limits_(limits) {}
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine() {
    for (const auto& object : circular_) object->clear();
  }

  /// Throws Error(limit) when the steps are spent.
  void step(std::size_t count = 1) {
    steps_ += count;
    if (steps_ > limits_.steps) too_long();
  }
  /// Counts work on `bytes` of text.
  void step_bytes(std::size_t bytes) { step(1 + bytes / 32); }
  void enter() {
    if (++depth_ > limits_.depth) too_deep();
  }
  void leave() noexcept { --depth_; }
  /// Throws Error(limit) before anything of `bytes` is made that would not fit.
  void check_memory(std::size_t bytes) const {
    if (bytes > limits_.memory || live_ + bytes > limits_.memory) too_large();
  }

  template <typename... Args>
  [[noreturn]] void raise(fmt::format_string<Args...> format, Args&&... args) const {
    raise_text(ErrorKind::invalid_argument, fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void raise_text(ErrorKind kind, const std::string& message) const;
  [[noreturn]] void overflow() const { raise_text(ErrorKind::limit, "the integer does not fit in 64 bits"); }

  [[nodiscard]] Value text(std::string text, bool markup = false);
  [[nodiscard]] Value undefined(std::string message);
  /// Keeps an object that may hold itself, in a circle, to the end of the render, and breaks the circle then.
  void hold(std::shared_ptr<Object> object);

  int line = 1;                               ///< where the template is
  std::chrono::system_clock::time_point now;  ///< what strftime_now prints
  std::size_t output_position = 0;            ///< code points written to the outermost output
  std::vector<std::pair<std::size_t, std::size_t>> generation_spans;

 private:
  friend class Charge;
  [[noreturn]] void too_long() const;
  [[noreturn]] void too_deep() const;
  [[noreturn]] void too_large() const;

  std::string source_;
  Limits limits_;
  std::size_t steps_ = 0;
  std::size_t live_ = 0;
  int depth_ = 0;
  std::vector<std::shared_ptr<Object>> circular_;
};

/// One level of nesting while it lives.
class Nested {
 public:
  explicit Nested(Machine& machine) : machine_(machine) { machine_.enter(); }
  Nested(const Nested&) = delete;
  Nested& operator=(const Nested&) = delete;
  ~Nested() { machine_.leave(); }

 private:
  Machine& machine_;
};

/// An iterator made of a function; used up by going through it once, as Python's generators.
class Generator : public Object {
 public:
  using Produce = std::function<bool(Machine&, Value&)>;
  Generator(std::string_view type, int depth, Produce produce)
      : type_(type), depth_(depth), produce_(std::move(produce)) {}
  [[nodiscard]] std::string_view type_name() const override { return type_; }
  [[nodiscard]] bool iterable() const override { return true; }
  [[nodiscard]] int depth() const override { return depth_; }
  bool next(Machine& machine, Value& item) override;

 private:
  std::string_view type_;
  int depth_;
  bool running_ = false;
  bool done_ = false;
  Produce produce_;
};

/// `source` and `arguments` are what `produce` holds on to.
[[nodiscard]] Value make_generator(Machine& machine, const Value& source, const Arguments& arguments,
                                   Generator::Produce produce, std::string_view type = "generator");

/// A function of C++ that templates can call.
class Function : public Object {
 public:
  using Body = std::function<Value(Machine&, Arguments&)>;
  /// `depth`: one more than that of the values that `body` holds.
  Function(std::string_view type, std::string name, Body body, int depth = 1)
      : type_(type), name_(std::move(name)), body_(std::move(body)), depth_(depth) {}
  [[nodiscard]] std::string_view type_name() const override { return type_; }
  [[nodiscard]] bool callable() const override { return true; }
  [[nodiscard]] int depth() const override { return depth_; }
  Value call(Machine& machine, Arguments& arguments) override { return body_(machine, arguments); }
  [[nodiscard]] std::string repr(Machine& machine) const override;

 private:
  std::string_view type_;
  std::string name_;
  Body body_;
  int depth_;
};

[[nodiscard]] Value make_function(Machine& machine, std::string_view type, std::string name, Function::Body body,
                                  int depth = 1);

/// Arguments by name, as Python binds them. Names beyond `required` may be absent (missing values).
class Bound {
 public:
  Bound(Machine& machine, std::string_view function, const Arguments& arguments,
        std::initializer_list<std::string_view> names, std::size_t required = 0);
  [[nodiscard]] bool has(std::size_t i) const { return !values_[i].is_missing() && !values_[i].is_none(); }
  [[nodiscard]] bool given(std::size_t i) const { return !values_[i].is_missing(); }
  [[nodiscard]] const Value& operator[](std::size_t i) const { return values_[i]; }
  [[nodiscard]] std::int64_t integer(std::size_t i, std::int64_t otherwise) const;
  [[nodiscard]] bool truth(std::size_t i, bool otherwise) const;
  /// Raises unless it is a string. nullptr when absent or none.
  [[nodiscard]] const std::string* string(std::size_t i) const;

 private:
  Machine& machine_;
  std::string_view function_;
  std::vector<Value> values_;
};

}  // namespace bitnet::jinja
