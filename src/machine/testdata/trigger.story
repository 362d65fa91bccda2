# One-shot: the run that waits is taken to the head of the queue.
at 1000 online w1 trade 9 -> session 1.0
at 1000 submit t trade at=9000 deadline=100 -> accepted 2.0
at 2000 trigger trade/t why=now -> TRIGGERED 2.0/0, ready trade
show job 2.0
    | t rev 1 lives
    | 2.0/0 due 2000 rev 1 ready since 2000 executions 0 retries 0 reclaims 0
at 2000 trigger trade/t -> ALREADY_READY 2.0/0
at 2000 dispatch w1 9 -> push 5.0 of 2.0/0 due 2000
at 2000 trigger trade/t -> ALREADY_RUNNING 2.0/0
show joblog 2.0
    | 3.0 triggered as 2.0/0: now
at 2100 complete 5.0 success -> accepted, 2.0/0 succeeded
# Finished: it runs once more, as a retry would.
at 3000 trigger 2.0 + dispatch w1 9 -> TRIGGERED 2.0/1, push 8.1 of 2.0/1 due 3000, ready trade
at 3100 complete 8.1 success -> accepted, 2.0/1 succeeded
at 3200 submit t trade at=9000 -> accepted 10.0
at 3200 trigger 2.0 -> refused: live job 10.0 has the same task id
at 3200 cancel trade/t -> CANCELLED 10.0, 10.0/0 cancelled
# Waiting for its retry, or held: now.
at 4000 submit r trade retries=5 delay=60000 + dispatch w1 9 -> accepted 13.0, push 13.1 of 13.0/0 due 4000, ready trade
at 4000 complete 13.1 later -> accepted
at 4100 trigger trade/r + dispatch w1 9 -> TRIGGERED 13.0/0, push 15.1 of 13.0/0 due 4000 attempt 2 retries 1 reclaims 0, ready trade
at 4200 suspend trade/r -> SUSPENDED 13.0
at 4200 complete 15.1 later -> accepted
at 4300 trigger trade/r + dispatch w1 9 -> TRIGGERED 13.0/0, push 18.1 of 13.0/0 due 4000 attempt 3 retries 2 reclaims 0, ready trade
# Asked for by hand, it is not held: its retries come.
at 4400 complete 18.1 later after=10 -> accepted
at 4500 tick + dispatch w1 9 -> ok, push 20.0 of 13.0/0 due 4000 attempt 4 retries 3 reclaims 0, ready trade
show job 13.0
    | r rev 1 lives, suspended since 4200
    | 13.0/0 due 4000 rev 1 executing 20.0 on w1 1.0 executions 4 retries 3 reclaims 0 despite suspend
# A suspend that comes later holds it again.
at 4500 resume trade/r + suspend trade/r -> RESUMED 13.0, SUSPENDED 13.0
at 4600 complete 20.0 later after=10 -> accepted
show job 13.0
    | r rev 1 lives, suspended since 4500
    | 13.0/0 due 4000 rev 1 suspended, waits until 4610 executions 4 retries 4 reclaims 0
at 4600 cancel trade/r -> CANCEL_REQUESTED 13.0, 13.0/0 cancelled
# Periodic: a run by hand beside its instants, suspended or not; the schedule is not touched.
at 10000 submit p trade every=1000 norely + tick + dispatch w1 9 -> accepted 24.0, ok, push 24.1 of 24.0/0 due 10000, ready trade
at 10500 trigger trade/p + dispatch w1 9 -> TRIGGERED 24.0/1, push 25.1 of 24.0/1 due 10500, ready trade
at 10500 suspend trade/p -> SUSPENDED 24.0
at 10600 trigger trade/p + dispatch w1 9 -> TRIGGERED 24.0/2, push 27.1 of 24.0/2 due 10600, ready trade
at 10700 complete 26.1 later , 25.1 later -> stale, accepted, 24.0/1 dead
show job 24.0
    | p rev 1 lives, suspended since 10500
    | settled 10000 live 2 next 11000 every 1s remaining None suspended
    | 24.0/0 due 10000 rev 1 executing 24.1 on w1 1.0 executions 1 retries 0 reclaims 0
    | 24.0/2 due 10600 rev 1 executing 27.1 on w1 1.0 executions 1 retries 0 reclaims 0 by hand despite suspend
    | 24.0/1 due 10500 rev 1 dead at 10700 executions 1 retries 0 reclaims 0 [25.1 EXECUTE_LATER] by hand
at 11000 resume trade/p -> RESUMED 24.0
show job 24.0
    | p rev 1 lives
    | settled 11000 live 2 next 12000 every 1s remaining None
    | 24.0/0 due 10000 rev 1 executing 24.1 on w1 1.0 executions 1 retries 0 reclaims 0
    | 24.0/2 due 10600 rev 1 executing 27.1 on w1 1.0 executions 1 retries 0 reclaims 0 by hand despite suspend
    | 24.0/1 due 10500 rev 1 dead at 10700 executions 1 retries 0 reclaims 0 [25.1 EXECUTE_LATER] by hand
    | 24.0/3 due 11000 rev 1 skipped Suspended 1 to 11000 at 11000
# An older revision executes; the next one starts by itself when that has ended.
at 20000 submit o trade + dispatch w1 1 -> accepted 30.0, push 30.1 of 30.0/0 due 20000, ready trade
at 20000 submit o trade replace at=30000 -> replaced 30.0 rev 2
at 20000 trigger trade/o -> ALREADY_RUNNING 30.0/0
at 20000 trigger nobody/nothing + trigger trade/o expect=9 -> NOT_FOUND, refused: job 30.0 has revision 2, not the expected one
