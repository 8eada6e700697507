#include "text/jinja/symbols.h"

namespace bitnet::jinja {

const Symbols::Home* Symbols::find(const std::string& name) const {
  if (const auto it = entries_.find(name); it != entries_.end()) return &it->second.home;
  return parent_ ? parent_->find(name) : nullptr;
}

Symbols::Entry& Symbols::define(const std::string& name, Origin origin) {
  Entry& entry = entries_[name];
  if (entry.home.slot < 0) entry.home = {function_, function_->info->slots++};
  entry.origin = origin;
  return entry;
}

void Symbols::load(const std::string& name) {
  if (!find(name)) define(name, Origin::context);
}

void Symbols::store(const std::string& name) {
  stores_.insert(name);
  if (entries_.contains(name)) return;
  const Home* outer = parent_ ? parent_->find(name) : nullptr;
  Entry& entry = define(name, outer ? Origin::alias : Origin::undefined);
  if (outer) entry.from = *outer;
}

int Symbols::declare_parameter(const std::string& name) {
  stores_.insert(name);
  return define(name, Origin::parameter).home.slot;
}

void Symbols::share(const std::string& name, int slot) {
  stores_.insert(name);
  entries_[name].home = {function_, slot};
}

void Symbols::merge_branches(const std::vector<Symbols>& branches) {
  std::set<std::string> stored;
  for (const Symbols& branch : branches) stored.insert(branch.stores_.begin(), branch.stores_.end());
  for (const std::string& name : stores_) stored.erase(name);
  for (const Symbols& branch : branches) {
    for (const auto& [name, entry] : branch.entries_) entries_[name] = entry;
    stores_.insert(branch.stores_.begin(), branch.stores_.end());
  }
  // A name that only some branches set keeps its outer value in the others.
  for (const std::string& name : stored) {
    Entry& entry = entries_[name];
    const Home* outer = parent_ ? parent_->find(name) : nullptr;
    entry.origin = outer ? Origin::alias : Origin::context;
    if (outer) entry.from = *outer;
  }
}

SlotRef Symbols::relative(const Home& home) const { return {function_->depth - home.function->depth, home.slot}; }

SlotRef Symbols::ref(const std::string& name) {
  load(name);
  return relative(*find(name));
}

std::vector<Load> Symbols::loads() const {
  std::vector<Load> loads;
  for (const auto& [name, entry] : entries_) {
    if (entry.origin == Origin::parameter) continue;
    Load load;
    load.slot = entry.home.slot;
    if (entry.origin == Origin::context) {
      load.kind = Load::Kind::context;
      load.name = name;
    } else if (entry.origin == Origin::alias) {
      load.kind = Load::Kind::alias;
      load.from = relative(entry.from);
    } else {
      load.kind = Load::Kind::undefined;
    }
    loads.push_back(std::move(load));
  }
  return loads;
}

}  // namespace bitnet::jinja
