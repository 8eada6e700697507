#include <bitnet/engine.h>
#include <bitnet/error.h>
#include <bitnet/session.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: story MODEL-FOLDER\n";
    return 2;
  }
  try {
    const auto engine = bitnet::Engine::load(argv[1]);
    auto settings = engine.default_settings();
    settings.do_sample = false;  // greedy: the same text every time
    settings.repetition_penalty = 1.0F;
    settings.max_new_tokens = 20;

    bitnet::Session session(engine);
    std::cout << "Once upon a time";
    session.generate("Once upon a time", settings, [](std::string_view text) {
      std::cout << text << std::flush;
      return true;  // false would stop
    });
    std::cout << '\n';
  } catch (const bitnet::Error& error) {
    std::cerr << "story: " << error.what() << '\n';
    return 1;
  }
}
