#!/usr/bin/python3
"""A whole decider: drops telnet, accepts the rest. Usage: decider.py [ADDRESS]"""
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
sys.path.append(sys.path[0] + "/..")  # Where ../generate puts the stubs.
from sluice.v1 import decision_pb2 as pb, decision_pb2_grpc

def decide(packet):  # What was cut short before its protocol or port is not known: dropped, too.
    headers = packet.headers
    verdict = pb.Verdict(transaction_id=packet.transaction_id, action=pb.ACTION_ACCEPT, reason="ok")
    if not headers.HasField("protocol") or (
            headers.protocol == 6 and headers.destination_port in (0, 23)):
        verdict.action, verdict.reason = pb.ACTION_DROP, "telnet is not allowed"
        verdict.notify = pb.NOTIFY_ADMIN_PROHIBITED
    return verdict

class Decider(decision_pb2_grpc.DecisionServiceServicer):
    def Decide(self, requests, context):
        for said in requests:
            match said.WhichOneof("message"):
                case "hello": yield pb.DecideResponse(welcome=pb.DecideWelcome())
                case "heartbeat": yield pb.DecideResponse(heartbeat=said.heartbeat)
                case "packets": yield pb.DecideResponse(verdicts=pb.VerdictBatch(
                    received_batch=said.packets.batch, verdicts=map(decide, said.packets.packets)))

server = grpc.server(ThreadPoolExecutor(max_workers=64))  # A stream occupies a thread.
decision_pb2_grpc.add_DecisionServiceServicer_to_server(Decider(), server)
server.add_insecure_port(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:7654")
server.start()
server.wait_for_termination()
