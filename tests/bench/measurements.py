"""The measurements, in the order of each round. README.md says what one consists of."""

import agents
import bulk
import connects
import conntrack
import edge
import grpc_ping
import latency
import memory
import policy
import refused
import remembered
import round_trips
import throughput

ALL = {
    "throughput": throughput,
    "latency": latency,
    "grpc_ping": grpc_ping,
    "connects": connects,
    "bulk": bulk,
    "remembered": remembered,
    "refused": refused,
    "conntrack": conntrack,
    "memory": memory,
    "agents": agents,
    "edge": edge,
    "policy": policy,
    "round_trips": round_trips,
}
