// Debian's gRPC is not instrumented: ThreadSanitizer does not see how it orders what its threads
// do, and takes for races what they do one after the other. What is let pass is kept to that; a
// race on a member of ours is reported, on gRPC's threads too.

extern "C" const char* __tsan_default_options() {
  // Do not look into libraries that are not instrumented.
  return "ignore_noninstrumented_modules=1";
}

extern "C" const char* __tsan_default_suppressions() {
  return
      // What gRPC's headers, and the messages in gRPC's hands, do themselves: these match the
      // frame that makes the access and no other.
      "race_top:/grpcpp/\n"
      "race_top:/google/protobuf/\n"
      "race_top:.pb.cc\n"
      "race_top:.pb.h\n"
      // Parts of the standard library that are inlined into the above: callbacks, the strings of
      // statuses and messages, the making and unmaking of gRPC's own atomics.
      "race_top:bits/std_function.h\n"
      "race_top:bits/basic_string.h\n"
      "race_top:bits/char_traits.h\n"
      "race_top:bits/move.h\n"
      "race_top:bits/atomic_base.h\n"
      // gRPC calls OnDone, where reactors delete themselves, after every other reaction.
      "race:CallOnDone\n";
}
