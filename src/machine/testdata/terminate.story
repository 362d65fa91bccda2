# Stops one execution; there is no further attempt, and the job's other instants come.
at 1000 online w1 trade 4 -> session 1.0
at 1000 submit r trade every=1000 count=3 retries=5 -> accepted 2.0
at 1000 tick + dispatch w1 1 -> ok, push 3.0 of 2.0/0 due 1000, ready trade
at 1100 terminate 2.0/0 -> terminating 3.0, terminate 3.0 on 1.0
at 1200 complete 3.0 exception -> accepted, 2.0/0 failed
show job 2.0
    | r rev 1 lives
    | settled 1000 live 0 next 2000 every 1s remaining Some(2)
    | 2.0/0 due 1000 rev 1 failed at 1200 executions 1 retries 0 reclaims 0 [3.0 EXECUTE_EXCEPTION]
at 2000 tick + dispatch w1 1 -> ok, push 6.0 of 2.0/1 due 2000, ready trade
at 2000 terminate 2.0/1 -> terminating 6.0, terminate 6.0 on 1.0
at 2000 complete 6.0 success -> accepted, 2.0/1 succeeded
at 3000 tick -> ok, ready trade
# Ready, ended, unknown: refused.
at 3000 terminate 2.0/2 -> refused: run 2.0/2 is not executing
at 3000 terminate 2.0/0 -> refused: run 2.0/0 is not executing
at 3000 terminate 9.0/0 -> refused: run 9.0/0 is unknown or expired
# A cancel stays a cancel.
at 3000 dispatch w1 1 -> push 13.0 of 2.0/2 due 3000
at 3000 cancel 2.0 -> CANCEL_REQUESTED 2.0, terminate 13.0 on 1.0
at 3000 terminate 2.0/2 -> terminating 13.0, terminate 13.0 on 1.0
at 3000 reclaim 13.0 -> ok, terminate 13.0 on 1.0, 2.0/2 cancelled, 2.0 ends
show job 2.0
    | r rev 1 has ended
    | 2.0/0 due 1000 rev 1 failed at 1200 executions 1 retries 0 reclaims 0 [3.0 EXECUTE_EXCEPTION]
    | 2.0/1 due 2000 rev 1 succeeded at 2000 executions 1 retries 0 reclaims 0 [6.0 EXECUTE_SUCCESS]
    | 2.0/2 due 3000 rev 1 cancelled at 3000 executions 1 retries 0 reclaims 1 [13.0 Unknown] error "cancelled"
