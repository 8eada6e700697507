#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "text/jinja/machine.h"
#include "text/jinja/operations.h"

namespace bitnet::jinja {
namespace {

constexpr std::size_t kItemBytes = 2 * sizeof(Value);  // vectors grow by doubling
constexpr std::size_t kObjectBytes = 96;
constexpr std::size_t kIndexedFrom = 16;

int container_depth(Machine& machine, int depth) {
  if (depth > kMaxValueDepth) {
    machine.raise_text(ErrorKind::limit, fmt::format("values nest deeper than {} levels", kMaxValueDepth));
  }
  return depth;
}

}  // namespace

void Charge::add(Machine& machine, std::size_t bytes) {
  machine.check_memory(bytes);
  live_ = &machine.live_;
  bytes_ += bytes;
  machine.live_ += bytes;
}

Value Object::call(Machine& machine, Arguments&) { machine.raise("'{}' object is not callable", type_name()); }
Value Object::attribute(Machine&, std::string_view) { return {}; }
bool Object::next(Machine& machine, Value&) { machine.raise("'{}' object is not iterable", type_name()); }
std::string Object::repr(Machine&) const { return fmt::format("<{} object>", type_name()); }

void ListBuilder::add(Value value) {
  charge_.add(machine_, kItemBytes);
  items_.push_back(std::move(value));
}

std::shared_ptr<List> ListBuilder::make(ListKind kind) {
  charge_.add(machine_, kObjectBytes);
  auto list = std::make_shared<List>();
  int depth = 0;
  for (const Value& item : items_) depth = std::max(depth, depth_of(item));
  list->depth = container_depth(machine_, depth + 1);
  list->kind = kind;
  list->items = std::move(items_);
  list->charge = std::move(charge_);
  machine_.step(1 + list->items.size() / 16);
  return list;
}

Value ListBuilder::finish(ListKind kind) { return std::shared_ptr<const List>(make(kind)); }

Value ListBuilder::finish_range(std::int64_t start, std::int64_t stop, std::int64_t step) {
  auto range = make(ListKind::range);
  range->start = start;
  range->stop = stop;
  range->step = step;
  return std::shared_ptr<const List>(std::move(range));
}

void DictBuilder::set(const Value& key, Value value) {
  if (!hashable(machine_, key)) machine_.raise("unhashable type: '{}'", type_name(key));
  machine_.step();
  dict_->depth = std::max({dict_->depth, depth_of(key) + 1, depth_of(value) + 1});
  if (const Value* found = dict_->find(machine_, key)) {
    *const_cast<Value*>(found) = std::move(value);
    return;
  }
  dict_->charge.add(machine_, 3 * kItemBytes);
  dict_->entries.emplace_back(key, std::move(value));
  const auto position = static_cast<std::uint32_t>(dict_->entries.size() - 1);
  if (dict_->entries.size() == kIndexedFrom) {
    for (std::uint32_t i = 0; i <= position; ++i)
      dict_->index.emplace_back(hash_of(machine_, dict_->entries[i].first), i);
    std::sort(dict_->index.begin(), dict_->index.end());
  } else if (!dict_->index.empty()) {
    machine_.step(1 + dict_->index.size() / 64);
    const std::pair entry(hash_of(machine_, key), position);
    dict_->index.insert(std::upper_bound(dict_->index.begin(), dict_->index.end(), entry), entry);
  }
}

Value DictBuilder::finish() {
  dict_->charge.add(machine_, kObjectBytes);
  container_depth(machine_, dict_->depth);
  return std::shared_ptr<const Dict>(std::move(dict_));
}

void TextBuilder::add(std::string_view text) {
  machine_.step_bytes(text.size());
  const std::size_t needed = text_.size() + text.size();
  if (needed > charged_) {
    const std::size_t target = std::max(needed, charged_ + charged_ / 2);
    charge_.add(machine_, target - charged_);
    text_.reserve(target);
    charged_ = target;
  }
  text_.append(text);
}

void TextBuilder::add_repeated(std::string_view text, std::int64_t count) {
  if (count <= 0 || text.empty()) return;
  machine_.check_memory(
      static_cast<std::size_t>(std::min(static_cast<double>(count) * static_cast<double>(text.size()), 1e18)));
  for (std::int64_t i = 0; i < count; ++i) add(text);
}

Value TextBuilder::finish() {
  charge_ = Charge();
  charged_ = 0;
  return machine_.text(std::move(text_));
}

Cursor::Cursor(Machine& machine, const Value& iterable) : machine_(&machine), value_(iterable) {
  if (!is_iterable(iterable)) machine.raise("'{}' object is not iterable", type_name(iterable));
}

bool Cursor::next(Value& item) {
  machine_->step();
  if (const List* list = value_.list()) {
    if (position_ >= list->items.size()) return false;
    item = list->items[position_++];
    return true;
  }
  if (const Dict* dict = value_.dict()) {
    if (position_ >= dict->entries.size()) return false;
    item = dict->entries[position_++].first;
    return true;
  }
  if (const String* string = value_.string()) {
    if (position_ >= string->text.size()) return false;
    const std::size_t start = position_;
    (void)next_code_point(string->text, position_);
    item = machine_->text(string->text.substr(start, position_ - start));
    return true;
  }
  if (Object* object = value_.object()) return object->next(*machine_, item);
  return false;
}

std::size_t Cursor::size() const {
  if (const List* list = value_.list()) return list->items.size();
  if (const Dict* dict = value_.dict()) return dict->entries.size();
  if (const String* string = value_.string()) return string->length;
  return 0;
}

Value constant_text(std::string text) {
  auto string = std::make_shared<String>();
  string->length = count_code_points(text);
  string->text = std::move(text);
  return std::shared_ptr<const String>(std::move(string));
}

int depth_of(const Value& value) {
  if (const List* list = value.list()) return list->depth;
  if (const Dict* dict = value.dict()) return dict->depth;
  if (const Object* object = value.object()) return object->depth();
  return 0;
}

bool hashable(Machine& machine, const Value& value) {
  const List* list = value.list();
  if (value.dict() || (list && list->kind != ListKind::tuple && list->kind != ListKind::range)) return false;
  if (!list) return true;
  machine.step(1 + list->items.size());
  return std::all_of(list->items.begin(), list->items.end(), [&](const Value& v) { return hashable(machine, v); });
}

std::size_t hash_of(Machine& machine, const Value& value) {
  machine.step();
  if (const String* string = value.string()) return std::hash<std::string>{}(string->text);
  if (const bool* b = value.boolean()) return *b ? 1 : 0;
  if (const auto* i = value.integer()) return static_cast<std::size_t>(*i);
  if (const double* d = value.real()) {
    if (std::floor(*d) == *d && std::abs(*d) < 9e18) return static_cast<std::size_t>(static_cast<std::int64_t>(*d));
    return std::hash<double>{}(*d);
  }
  if (const List* list = value.list()) {
    std::size_t hash = 0x345678;
    for (const Value& item : list->items) hash = hash * 1000003 + hash_of(machine, item);
    return hash;
  }
  return std::hash<const void*>{}(value.object());
}

const Value* Dict::find(Machine& machine, const Value& key) const {
  if (index.empty()) {
    for (const auto& [k, v] : entries) {
      if (equal(machine, k, key)) return &v;
    }
    return nullptr;
  }
  const std::size_t hash = hash_of(machine, key);
  auto it = std::lower_bound(index.begin(), index.end(), std::pair(hash, std::uint32_t{0}));
  for (; it != index.end() && it->first == hash; ++it) {
    if (equal(machine, entries[it->second].first, key)) return &entries[it->second].second;
  }
  return nullptr;
}

const Value* Dict::find(Machine& machine, std::string_view key) const {
  if (!index.empty()) return find(machine, constant_text(std::string(key)));
  for (const auto& [k, v] : entries) {
    if (k.string() && k.string()->text == key) return &v;
  }
  return nullptr;
}

bool is_iterable(const Value& value) {
  return value.list() || value.dict() || value.string() || value.undefined() ||
         (value.object() && value.object()->iterable());
}

}  // namespace bitnet::jinja
