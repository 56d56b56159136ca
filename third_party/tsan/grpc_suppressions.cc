// Debian's gRPC is not instrumented: ThreadSanitizer does not see how gRPC orders its threads, and
// reports races between accesses that happen one after the other. Only these are suppressed; a race
// on a member of ours is still reported, on gRPC's threads too.

extern "C" const char* __tsan_default_options() {
  // Do not look into libraries that are not instrumented.
  return "ignore_noninstrumented_modules=1";
}

extern "C" const char* __tsan_default_suppressions() {
  return
      // Accesses by gRPC's headers themselves, and by messages that gRPC works on. These entries
      // match only the frame that makes the access.
      "race_top:/grpcpp/\n"
      "race_top:/google/protobuf/\n"
      "race_top:.pb.cc\n"
      "race_top:.pb.h\n"
      // Parts of the standard library that are inlined into the above: callbacks, the strings of
      // statuses and messages, the construction and destruction of gRPC's own atomics.
      "race_top:bits/std_function.h\n"
      "race_top:bits/basic_string.h\n"
      "race_top:bits/char_traits.h\n"
      "race_top:bits/move.h\n"
      "race_top:bits/atomic_base.h\n"
      // gRPC calls OnDone, where reactors delete themselves, after every other reaction.
      "race:CallOnDone\n";
}
