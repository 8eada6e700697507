#pragma once
/// The names of one scope while a template is compiled.

#include <map>
#include <set>

#include "text/jinja/ast.h"

namespace bitnet::jinja {

/// A function under construction.
struct FunctionScope {
  FunctionInfo* info;
  int depth;
};

class Symbols {
 public:
  struct Home {
    const FunctionScope* function = nullptr;
    int slot = -1;
  };

  Symbols(const Symbols* parent, FunctionScope& function) : parent_(parent), function_(&function) {}

  /// What an analysis of statements in source order does, name by name.
  void load(const std::string& name);
  void store(const std::string& name);
  int declare_parameter(const std::string& name);
  /// A name that lives in another scope's slot of the same function.
  void share(const std::string& name, int slot);
  /// Takes in what the branches of an `if`, analyzed on copies, did.
  void merge_branches(const std::vector<Symbols>& branches);

  /// Where `name` lives, seen from this scope's function. Loads it when no analysis met it.
  [[nodiscard]] SlotRef ref(const std::string& name);
  [[nodiscard]] std::vector<Load> loads() const;
  [[nodiscard]] FunctionScope& function() const { return *function_; }

 private:
  enum class Origin { parameter, context, alias, undefined };
  struct Entry {
    Home home;
    Origin origin = Origin::parameter;
    Home from;  ///< alias
  };

  [[nodiscard]] const Home* find(const std::string& name) const;
  [[nodiscard]] SlotRef relative(const Home& home) const;
  Entry& define(const std::string& name, Origin origin);

  const Symbols* parent_;
  FunctionScope* function_;
  std::map<std::string, Entry> entries_;
  std::set<std::string> stores_;
};

}  // namespace bitnet::jinja
