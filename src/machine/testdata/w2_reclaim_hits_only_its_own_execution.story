# W2: a late dead check of cycle n must not touch cycle n + 1.
at 1000 online w1 trade 4 -> session 1.0
at 1000 submit r trade every=1000 count=3 norely -> accepted 2.0
at 1000 tick + dispatch w1 1 -> ok, push 3.0 of 2.0/0 due 1000, ready trade
at 1500 complete 3.0 success -> accepted, 2.0/0 succeeded
at 2000 tick + dispatch w1 1 -> ok, push 5.0 of 2.0/1 due 2000, ready trade
at 2500 reclaim 3.0 silent -> ok
show job 2.0
    | r rev 1 lives
    | settled 2000 live 1 next 3000 every 1s remaining Some(1)
    | 2.0/1 due 2000 rev 1 executing 5.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/0 due 1000 rev 1 succeeded at 1500 executions 1 retries 0 reclaims 0 [3.0 EXECUTE_SUCCESS]
at 2600 complete 5.0 success -> accepted, 2.0/1 succeeded
