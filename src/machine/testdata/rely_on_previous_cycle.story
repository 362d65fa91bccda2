# Instants that fall due while a run executes are skipped, and neighbours share a row.
at 0 online w1 trade 9 -> session 1.0
at 0 submit r trade every=1000 -> accepted 2.0
at 0 tick + dispatch w1 9 -> ok, push 3.0 of 2.0/0 due 0, ready trade
at 1000 tick -> ok
at 2000 tick -> ok
at 4500 tick -> ok
show job 2.0
    | r rev 1 lives
    | settled 4000 live 1 next 5000 every 1s remaining None
    | 2.0/0 due 0 rev 1 executing 3.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/1 due 1000 rev 1 skipped PreviousStillLive 4 to 4000 at 1000
at 4600 complete 3.0 success -> accepted, 2.0/0 succeeded
at 5000 tick + dispatch w1 9 -> ok, push 8.0 of 2.0/2 due 5000, ready trade
at 6000 tick -> ok
show job 2.0
    | r rev 1 lives
    | settled 6000 live 1 next 7000 every 1s remaining None
    | 2.0/2 due 5000 rev 1 executing 8.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 2.0/0 due 0 rev 1 succeeded at 4600 executions 1 retries 0 reclaims 0 [3.0 EXECUTE_SUCCESS]
    | 2.0/1 due 1000 rev 1 skipped PreviousStillLive 4 to 4000 at 1000
    | 2.0/3 due 6000 rev 1 skipped PreviousStillLive 1 to 6000 at 6000
# Also while it waits for a retry, and also planned.
at 10000 cancel trade/r -> CANCEL_REQUESTED 2.0, terminate 8.0 on 1.0
at 10000 complete 8.0 success -> accepted, 2.0/2 succeeded, 2.0 ends
at 10000 submit c trade cron retries=3 delay=500 -> accepted 12.0, needs plan 12.0
at 10000 plan 12.0 after=10000 instants=11000,12000,13000,14000,15000 -> ok
at 11000 tick + dispatch w1 9 -> ok, push 14.0 of 12.0/0 due 11000, ready trade
at 11200 complete 14.0 exception -> accepted
at 11900 tick -> ok, ready trade
at 11900 dispatch w1 9 -> push 17.0 of 12.0/0 due 11000 attempt 2 retries 1 reclaims 0
at 12000 tick -> ok, needs plan 12.0
at 13000 tick -> ok, needs plan 12.0
show job 12.0
    | c rev 1 lives
    | settled 13000 live 1 planned [14000, 15000]
    | 12.0/0 due 11000 rev 1 executing 17.0 on w1 1.0 executions 2 retries 1 reclaims 0
    | 12.0/1 due 12000 rev 1 skipped PreviousStillLive 2 to 13000 at 12000
# The next cycle comes before the retry would: it takes its place.
at 13800 complete 17.0 exception -> accepted, 12.0/0 failed
show job 12.0
    | c rev 1 lives
    | settled 13000 live 0 planned [14000, 15000]
    | 12.0/0 due 11000 rev 1 failed at 13800 executions 2 retries 1 reclaims 0 [14.0 EXECUTE_EXCEPTION, 17.0 EXECUTE_EXCEPTION]
    | 12.0/1 due 12000 rev 1 skipped PreviousStillLive 2 to 13000 at 12000
at 14000 tick + dispatch w1 9 -> ok, push 21.0 of 12.0/2 due 14000, ready trade, needs plan 12.0
show job 12.0
    | c rev 1 lives
    | settled 14000 live 1 planned [15000]
    | 12.0/2 due 14000 rev 1 executing 21.0 on w1 1.0 executions 1 retries 0 reclaims 0
    | 12.0/0 due 11000 rev 1 failed at 13800 executions 2 retries 1 reclaims 0 [14.0 EXECUTE_EXCEPTION, 17.0 EXECUTE_EXCEPTION]
    | 12.0/1 due 12000 rev 1 skipped PreviousStillLive 2 to 13000 at 12000
