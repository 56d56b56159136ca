"""The far side of deploy/quickstart, behind the gateway: answers datagrams and connections on the
ports the demonstration uses, even where the policy drops them. Prints `ready`; ends on SIGTERM."""

import selectors
import socket

UDP_PORTS = (53, 161)
TCP_PORTS = (80, 23)


def main():
    selector = selectors.DefaultSelector()
    for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for kind, ports in ((socket.SOCK_DGRAM, UDP_PORTS), (socket.SOCK_STREAM, TCP_PORTS)):
            for port in ports:
                listener = socket.socket(family, kind)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind((host, port))
                if kind == socket.SOCK_STREAM:
                    listener.listen()
                selector.register(listener, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            answer(key.fileobj)


def answer(listener):
    if listener.type == socket.SOCK_DGRAM:
        question, sender = listener.recvfrom(2048)
        listener.sendto(question, sender)
        return
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(2)
        try:
            connection.recv(2048)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nHello from behind the gateway.\n")
        except OSError:
            pass  # the client went away


if __name__ == "__main__":
    main()
