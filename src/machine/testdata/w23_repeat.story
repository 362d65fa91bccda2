# W23: occurrence k exists once, the count is exact, -1 never ends, a first fire far away is just a due time.
at 0 online w1 trade 9 -> session 1.0
at 0 submit three trade every=1000 count=3 first=900000000 norely -> accepted 2.0
show next
    | Some(900000000)
at 1000 tick -> ok
at 900000000 tick -> ok, ready trade
at 900001000 tick -> ok, ready trade
at 900009000 tick + dispatch w1 9 -> ok, push 6.0 of 2.0/0 due 900000000, push 6.1 of 2.0/1 due 900001000, push 6.2 of 2.0/2 due 900002000, ready trade
show job 2.0
    | three rev 1 lives
    | settled 900002000 live 3 next 900003000 every 1s remaining Some(0)
    | 2.0/0 due 900000000 rev 1 executing 6.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/1 due 900001000 rev 1 executing 6.1 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/2 due 900002000 rev 1 executing 6.2 on w1 1.0 executions 1 retries 0 reclaims 0
at 900009000 complete 6.0 success , 6.1 success , 6.2 exception -> accepted, accepted, accepted, 2.0/0 succeeded, 2.0/1 succeeded, 2.0/2 dead, 2.0 ends
show job 2.0
    | three rev 1 has ended
    | 2.0/0 due 900000000 rev 1 succeeded at 900009000 executions 1 retries 0 reclaims 0 [6.0 EXECUTE_SUCCESS]
    | 2.0/1 due 900001000 rev 1 succeeded at 900009000 executions 1 retries 0 reclaims 0 [6.1 EXECUTE_SUCCESS]
    | 2.0/2 due 900002000 rev 1 dead at 900009000 executions 1 retries 0 reclaims 0 [6.2 EXECUTE_EXCEPTION]
at 900009000 submit endless trade every=1000 -> accepted 8.0
at 900009000 tick + dispatch w1 9 -> ok, push 9.0 of 8.0/0 due 900009000, ready trade
at 900009100 complete 9.0 success -> accepted, 8.0/0 succeeded
show job 8.0
    | endless rev 1 lives
    | settled 900009000 live 0 next 900010000 every 1s remaining None
    | 8.0/0 due 900009000 rev 1 succeeded at 900009100 executions 1 retries 0 reclaims 0 [9.0 EXECUTE_SUCCESS]
at 900009100 cancel 8.0 -> CANCELLED 8.0, 8.0 ends
