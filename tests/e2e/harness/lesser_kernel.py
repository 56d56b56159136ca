"""Runs a program as if the kernel had no nfnetlink: lesser_kernel.py PROGRAM ARGUMENT...

A seccomp filter (seccomp(2)) makes socket(AF_NETLINK, …, NETLINK_NETFILTER) fail with
EPROTONOSUPPORT, as it does where that part of the kernel is missing.
"""

import ctypes
import errno
import os
import socket
import struct
import sys

_NETLINK_NETFILTER = 12
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_SYSCALL_NUMBER, _ARGUMENT_0, _ARGUMENT_2 = 0, 16, 32  # offsets in struct seccomp_data
_SOCKET = {"x86_64": 41, "aarch64": 198}[os.uname().machine]


def main():
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (_LOAD, 0, 0, _SYSCALL_NUMBER),
            (_JUMP_IF_EQUAL, 0, 5, _SOCKET),
            (_LOAD, 0, 0, _ARGUMENT_0),
            (_JUMP_IF_EQUAL, 0, 3, socket.AF_NETLINK),
            (_LOAD, 0, 0, _ARGUMENT_2),
            (_JUMP_IF_EQUAL, 0, 1, _NETLINK_NETFILTER),
            (_RETURN, 0, 0, _ERRNO | errno.EPROTONOSUPPORT),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    instructions = ctypes.create_string_buffer(program, len(program))
    filter_program = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
