#pragma once
/// What a template computes with: Python's values, immutable but for namespaces and iterators. Every value that a
/// template makes is charged to the machine's memory while it lives, and nests at most kMaxValueDepth deep, so that
/// walking or freeing one cannot overflow the stack.

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bitnet::jinja {

class Machine;
class Object;
struct String;
struct List;
struct Dict;
struct Undefined;

inline constexpr int kMaxValueDepth = 200;

struct None {};

/// Memory that a value holds of a machine's budget; given back when it goes.
class Charge {
 public:
  Charge() = default;
  Charge(Charge&& other) noexcept
      : live_(std::exchange(other.live_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Charge& operator=(Charge&& other) noexcept {
    std::swap(live_, other.live_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Charge() {
    if (live_) *live_ -= bytes_;
  }
  /// Throws Error(limit) when the machine's memory is spent.
  void add(Machine& machine, std::size_t bytes);

 private:
  std::size_t* live_ = nullptr;
  std::size_t bytes_ = 0;
};

class Value {
 public:
  using Variant = std::variant<std::monostate, None, bool, std::int64_t, double, std::shared_ptr<const String>,
                               std::shared_ptr<const List>, std::shared_ptr<const Dict>,
                               std::shared_ptr<const Undefined>, std::shared_ptr<Object>>;
  /// Default: "missing", a variable that was never set. It never reaches an operation.
  Value() = default;
  Value(None none) : v_(none) {}
  template <std::same_as<bool> T>
  Value(T value) : v_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Value(T value) : v_(static_cast<std::int64_t>(value)) {}
  Value(double value) : v_(value) {}
  Value(std::shared_ptr<const String> value) : v_(std::move(value)) {}
  Value(std::shared_ptr<const List> value) : v_(std::move(value)) {}
  Value(std::shared_ptr<const Dict> value) : v_(std::move(value)) {}
  Value(std::shared_ptr<const Undefined> value) : v_(std::move(value)) {}
  Value(std::shared_ptr<Object> value) : v_(std::move(value)) {}

  [[nodiscard]] bool is_missing() const { return std::holds_alternative<std::monostate>(v_); }
  [[nodiscard]] bool is_none() const { return std::holds_alternative<None>(v_); }
  [[nodiscard]] const bool* boolean() const { return std::get_if<bool>(&v_); }
  /// Only int proper, not bool.
  [[nodiscard]] const std::int64_t* integer() const { return std::get_if<std::int64_t>(&v_); }
  [[nodiscard]] const double* real() const { return std::get_if<double>(&v_); }
  [[nodiscard]] const String* string() const { return pointer<const String>(); }
  [[nodiscard]] const List* list() const { return pointer<const List>(); }
  [[nodiscard]] const Dict* dict() const { return pointer<const Dict>(); }
  [[nodiscard]] const Undefined* undefined() const { return pointer<const Undefined>(); }
  [[nodiscard]] Object* object() const { return pointer<Object>(); }
  template <typename T>
  [[nodiscard]] T* object_as() const {
    return dynamic_cast<T*>(object());
  }
  template <typename T>
  [[nodiscard]] const std::shared_ptr<T>& shared() const {
    return std::get<std::shared_ptr<T>>(v_);
  }
  [[nodiscard]] const Variant& variant() const { return v_; }

 private:
  template <typename T>
  [[nodiscard]] T* pointer() const {
    const auto* p = std::get_if<std::shared_ptr<T>>(&v_);
    return p ? p->get() : nullptr;
  }
  Variant v_;
};

struct String {
  std::string text;
  std::size_t length = 0;  ///< in code points
  bool markup = false;     ///< came out of `escape` or `safe`
  Charge charge;
  [[nodiscard]] bool ascii() const { return length == text.size(); }
};

enum class ListKind { list, tuple, range, dict_keys, dict_values, dict_items };

struct List {
  ListKind kind = ListKind::list;
  std::vector<Value> items;
  int depth = 1;
  std::int64_t start = 0, stop = 0, step = 1;  ///< of a range, as written
  bool group = false;                          ///< a pair of `groupby`, with .grouper and .list
  Charge charge;
};

struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  std::vector<std::pair<std::size_t, std::uint32_t>> index;  ///< (hash, entry), sorted; empty for small ones
  int depth = 1;
  Charge charge;
  /// nullptr when absent. `key` must be hashable.
  [[nodiscard]] const Value* find(Machine& machine, const Value& key) const;
  [[nodiscard]] const Value* find(Machine& machine, std::string_view key) const;
};

struct Undefined {
  std::string message;  ///< what using it says
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// Everything that is neither data nor a constant. One render, one thread.
class Object {
 public:
  virtual ~Object() = default;
  /// As Python's type(x).__name__.
  [[nodiscard]] virtual std::string_view type_name() const = 0;
  [[nodiscard]] virtual bool callable() const { return false; }
  virtual Value call(Machine& machine, Arguments& arguments);
  /// Missing when there is no such attribute.
  virtual Value attribute(Machine& machine, std::string_view name);
  [[nodiscard]] virtual bool iterable() const { return false; }
  /// The next item of an iterable object; false at its end.
  virtual bool next(Machine& machine, Value& item);
  /// Levels of iterators below this one.
  [[nodiscard]] virtual int depth() const { return 1; }
  [[nodiscard]] virtual std::string repr(Machine& machine) const;
  /// Lets go of every value held, which breaks circles at the end of a render.
  virtual void clear() {}
  Charge charge;
};

/// Makes a list, counting what it takes.
class ListBuilder {
 public:
  explicit ListBuilder(Machine& machine) : machine_(machine) {}
  void add(Value value);
  [[nodiscard]] std::size_t size() const { return items_.size(); }
  [[nodiscard]] std::vector<Value>& items() { return items_; }
  [[nodiscard]] Value finish(ListKind kind = ListKind::list);

 private:
  Machine& machine_;
  std::vector<Value> items_;
  Charge charge_;
};

/// Makes a dict; a key that is there already keeps its place and takes the new value.
class DictBuilder {
 public:
  explicit DictBuilder(Machine& machine) : machine_(machine), dict_(std::make_shared<Dict>()) {}
  void set(const Value& key, Value value);
  [[nodiscard]] Value finish();

 private:
  Machine& machine_;
  std::shared_ptr<Dict> dict_;
};

/// Makes a text, counting what it takes.
class TextBuilder {
 public:
  explicit TextBuilder(Machine& machine) : machine_(machine) {}
  void add(std::string_view text);
  void add(char c) { add(std::string_view(&c, 1)); }
  void add_repeated(std::string_view text, std::int64_t count);
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] Value finish();
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  Machine& machine_;
  std::string text_;
  std::size_t charged_ = 0;
  Charge charge_;
};

/// Goes through anything that Python can iterate.
class Cursor {
 public:
  /// Raises "'int' object is not iterable".
  Cursor(Machine& machine, const Value& iterable);
  bool next(Value& item);
  [[nodiscard]] bool sized() const { return !value_.object(); }
  /// Of a sized one, from its start.
  [[nodiscard]] std::size_t size() const;

 private:
  Machine* machine_;
  Value value_;
  std::size_t position_ = 0;
};

/// For constants of a template and for dictionary keys: charged to nobody.
[[nodiscard]] Value constant_text(std::string text);
/// Depth of what a container would hold; 0 for scalars.
[[nodiscard]] int depth_of(const Value& value);
/// False for list, dict and views, which Python cannot hash.
[[nodiscard]] bool hashable(Machine& machine, const Value& value);
[[nodiscard]] std::size_t hash_of(Machine& machine, const Value& value);
[[nodiscard]] bool is_iterable(const Value& value);

}  // namespace bitnet::jinja
