# By its job: the last run that is dead.
at 1000 online w1 trade 9 -> session 1.0
at 1000 submit r trade every=1000 count=4 -> accepted 2.0
at 1000 tick + dispatch w1 9 -> ok, push 3.0 of 2.0/0 due 1000, ready trade
at 1000 complete 3.0 exception -> accepted, 2.0/0 dead
at 2000 tick + dispatch w1 9 -> ok, push 5.0 of 2.0/1 due 2000, ready trade
at 2000 complete 5.0 exception -> accepted, 2.0/1 dead
at 3000 tick + dispatch w1 9 -> ok, push 7.0 of 2.0/2 due 3000, ready trade
at 3000 complete 7.0 success -> accepted, 2.0/2 succeeded
at 3100 retry trade/r why=fixed -> retried as 2.0/3, ready trade
show log 2.0/1
    | 9.0 retried as 2.0/3: fixed
at 3100 dispatch w1 9 -> push 10.0 of 2.0/3 due 3100
at 3200 complete 10.0 success -> accepted, 2.0/3 succeeded
at 3200 retry 2.0 + retry nobody/nothing + retry 99.0 -> retried as 2.0/4, refused: no such job is known, refused: no such job is known, ready trade
show job 2.0
    | r rev 1 lives
    | settled 3000 live 1 next 4000 every 1s remaining Some(1)
    | 2.0/4 due 3200 rev 1 ready since 3200 executions 0 retries 0 reclaims 0 by hand
    | 2.0/0 due 1000 rev 1 dead at 1000 executions 1 retries 0 reclaims 0 [3.0 EXECUTE_EXCEPTION]
    | 2.0/1 due 2000 rev 1 dead at 2000 executions 1 retries 0 reclaims 0 [5.0 EXECUTE_EXCEPTION]
    | 2.0/2 due 3000 rev 1 succeeded at 3000 executions 1 retries 0 reclaims 0 [7.0 EXECUTE_SUCCESS]
    | 2.0/3 due 3100 rev 1 succeeded at 3200 executions 1 retries 0 reclaims 0 [10.0 EXECUTE_SUCCESS] by hand
at 3300 submit fine trade + dispatch w1 9 -> accepted 13.0, push 13.1 of 2.0/4 due 3200, push 13.2 of 13.0/0 due 3300, ready trade
at 3300 complete 13.1 success -> accepted, 2.0/4 succeeded
at 3300 retry trade/fine -> refused: none of the last 256 runs of job 13.0 is dead
