# W10: a completion, the next instant and the job's end are one command each; nothing is repeated afterwards.
at 0 online w1 trade 9 -> session 1.0
at 0 submit r trade every=1000 count=2 -> accepted 2.0
at 0 tick + dispatch w1 9 -> ok, push 3.0 of 2.0/0 due 0, ready trade
at 500 complete 3.0 success + complete 3.0 success -> accepted, accepted, 2.0/0 succeeded
at 1000 tick + tick + dispatch w1 9 + dispatch w1 9 -> ok, ok, push 5.0 of 2.0/1 due 1000, nothing, ready trade
at 1500 complete 5.0 success -> accepted, 2.0/1 succeeded, 2.0 ends
at 1500 complete 5.0 success -> accepted
show job 2.0
    | r rev 1 has ended
    | 2.0/0 due 0 rev 1 succeeded at 500 executions 1 retries 0 reclaims 0 [3.0 EXECUTE_SUCCESS resent]
    | 2.0/1 due 1000 rev 1 succeeded at 1500 executions 1 retries 0 reclaims 0 [5.0 EXECUTE_SUCCESS resent]
# W22: how old a job is never decides whether it executes.
at 999999999 submit old trade + dispatch w1 9 -> accepted 8.0, push 8.1 of 8.0/0 due 999999999, ready trade
at 99999999999 tick + tick -> ok, ok
show job 8.0
    | old rev 1 lives
    | 8.0/0 due 999999999 rev 1 executing 8.1 on w1 1.0 executions 1 retries 0 reclaims 0
