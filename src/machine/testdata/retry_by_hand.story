# A dead run runs again: the same job, a new run, the newest specification.
at 1000 online w1 trade 4 -> session 1.0
at 1000 submit t1 trade + dispatch w1 1 -> accepted 2.0, push 2.1 of 2.0/0 due 1000, ready trade
at 1100 complete 2.1 exception -> accepted, 2.0/0 dead
at 1200 retry 2.0/0 -> retried as 2.0/1, ready trade
at 1200 retry 2.0/0 -> refused: run 2.0/0 has not finished
at 1200 retry 2.0/1 -> refused: run 2.0/1 has not finished
at 1200 retry 2.0/7 -> refused: run 2.0/7 is unknown or expired
at 1200 submit t1 trade -> exists 2.0
at 1300 dispatch w1 1 -> push 9.0 of 2.0/1 due 1200
at 1400 complete 9.0 success -> accepted, 2.0/1 succeeded
show job 2.0
    | t1 rev 1 has ended
    | 2.0/0 due 1000 rev 1 dead at 1100 executions 1 retries 0 reclaims 0 [2.1 EXECUTE_EXCEPTION]
    | 2.0/1 due 1200 rev 1 succeeded at 1400 executions 1 retries 0 reclaims 0 [9.0 EXECUTE_SUCCESS] by hand
# Another job took the key.
at 2000 submit t1 trade -> accepted 11.0, ready trade
at 2000 retry 2.0/0 -> refused: live job 11.0 has the same task id
at 2000 cancel 11.0 -> CANCELLED 11.0, 11.0/0 cancelled
at 2000 retry 2.0/0 -> retried as 2.0/2, ready trade
at 2000 cancel trade/t1 -> CANCELLED 2.0, 2.0/2 cancelled
show job 2.0
    | t1 rev 1 has ended
    | 2.0/0 due 1000 rev 1 dead at 1100 executions 1 retries 0 reclaims 0 [2.1 EXECUTE_EXCEPTION]
    | 2.0/1 due 1200 rev 1 succeeded at 1400 executions 1 retries 0 reclaims 0 [9.0 EXECUTE_SUCCESS] by hand
    | 2.0/2 due 2000 rev 1 cancelled at 2000 error "cancelled" by hand
# A periodic job may have a run by hand beside its instants; it is counted, but is no instant.
at 10000 submit r trade every=1000 count=4 -> accepted 16.0
at 10000 tick + dispatch w1 1 -> ok, push 17.0 of 16.0/0 due 10000, ready trade
at 10100 complete 17.0 failed -> accepted, 16.0/0 failed
at 10200 retry 16.0/0 -> retried as 16.0/1, ready trade
at 10300 dispatch w1 1 -> push 20.0 of 16.0/1 due 10200
at 11000 tick -> ok
at 11100 complete 20.0 exception -> accepted, 16.0/1 dead
at 12000 tick -> ok, ready trade
show job 16.0
    | r rev 1 lives
    | settled 12000 live 1 next 13000 every 1s remaining Some(1)
    | 16.0/3 due 12000 rev 1 ready since 12000 executions 0 retries 0 reclaims 0
    | 16.0/0 due 10000 rev 1 failed at 10100 executions 1 retries 0 reclaims 0 [17.0 EXECUTE_FAILED]
    | 16.0/1 due 10200 rev 1 dead at 11100 executions 1 retries 0 reclaims 0 [20.0 EXECUTE_EXCEPTION] by hand
    | 16.0/2 due 11000 rev 1 skipped PreviousStillLive 1 to 11000 at 11000
at 12000 dispatch w1 1 -> push 24.0 of 16.0/3 due 12000
at 12500 complete 24.0 success -> accepted, 16.0/3 succeeded
at 13000 tick + dispatch w1 1 -> ok, push 26.0 of 16.0/4 due 13000, ready trade
at 13500 complete 26.0 success -> accepted, 16.0/4 succeeded, 16.0 ends
show job 16.0
    | r rev 1 has ended
    | 16.0/0 due 10000 rev 1 failed at 10100 executions 1 retries 0 reclaims 0 [17.0 EXECUTE_FAILED]
    | 16.0/1 due 10200 rev 1 dead at 11100 executions 1 retries 0 reclaims 0 [20.0 EXECUTE_EXCEPTION] by hand
    | 16.0/2 due 11000 rev 1 skipped PreviousStillLive 1 to 11000 at 11000
    | 16.0/3 due 12000 rev 1 succeeded at 12500 executions 1 retries 0 reclaims 0 [24.0 EXECUTE_SUCCESS]
    | 16.0/4 due 13000 rev 1 succeeded at 13500 executions 1 retries 0 reclaims 0 [26.0 EXECUTE_SUCCESS]
# After its end: the job lives again for one run.
at 14000 retry 16.0/0 + dispatch w1 1 -> retried as 16.0/5, push 28.1 of 16.0/5 due 14000, ready trade
at 14000 submit r trade -> exists 16.0
at 14500 complete 28.0 success -> stale
show job 16.0
    | r rev 1 lives
    | 16.0/5 due 14000 rev 1 executing 28.1 on w1 1.0 executions 1 retries 0 reclaims 0 by hand
    | 16.0/0 due 10000 rev 1 failed at 10100 executions 1 retries 0 reclaims 0 [17.0 EXECUTE_FAILED]
    | 16.0/1 due 10200 rev 1 dead at 11100 executions 1 retries 0 reclaims 0 [20.0 EXECUTE_EXCEPTION] by hand
    | 16.0/2 due 11000 rev 1 skipped PreviousStillLive 1 to 11000 at 11000
    | 16.0/3 due 12000 rev 1 succeeded at 12500 executions 1 retries 0 reclaims 0 [24.0 EXECUTE_SUCCESS]
    | 16.0/4 due 13000 rev 1 succeeded at 13500 executions 1 retries 0 reclaims 0 [26.0 EXECUTE_SUCCESS]
# A live run is not to be retried, a skipped instant may.
at 15000 submit late trade at=16000 misfire=skip misfire_after=1 -> accepted 31.0
at 17000 tick -> ok, 31.0/0 skipped Misfired 1 to 16000
at 17000 retry 31.0/0 + dispatch w1 1 -> retried as 31.0/1, push 33.1 of 31.0/1 due 17000, ready trade
show job 31.0
    | late rev 1 lives
    | 31.0/1 due 17000 rev 1 executing 33.1 on w1 1.0 executions 1 retries 0 reclaims 0 by hand
    | 31.0/0 due 16000 rev 1 skipped Misfired 1 to 16000 at 17000 error "it was due too long ago"
