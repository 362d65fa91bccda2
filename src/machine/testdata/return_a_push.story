# A returned run goes to the head of its queue by its due time, without an attempt.
at 1000 online w1 trade 4 -> session 1.0
at 1000 submit t1 trade + dispatch w1 1 -> accepted 2.0, push 2.1 of 2.0/0 due 1000, ready trade
at 2000 submit t2 trade -> accepted 3.0, ready trade
at 2000 return 2.1 -> ok, ready trade
at 2000 dispatch w1 4 -> push 5.0 of 2.0/0 due 1000, push 5.1 of 3.0/0 due 2000
at 2100 complete 5.0 success , 5.1 success -> accepted, accepted, 2.0/0 succeeded, 3.0/0 succeeded

# Cancelled or terminated while the push travels: the return ends it, and nothing was run.
at 3000 submit t3 trade + dispatch w1 1 + cancel trade/t3 -> accepted 7.0, push 7.1 of 7.0/0 due 3000, CANCEL_REQUESTED 7.0, ready trade, terminate 7.1 on 1.0
at 3000 return 7.1 -> ok, 7.0/0 cancelled
show job 7.0
    | t3 rev 1 has ended
    | 7.0/0 due 3000 rev 1 cancelled at 3000 error "cancelled"
at 4000 submit t4 trade + dispatch w1 1 + terminate 9.0/0 -> accepted 9.0, push 9.1 of 9.0/0 due 4000, terminating 9.1, ready trade, terminate 9.1 on 1.0
at 4000 return 9.1 -> ok, 9.0/0 failed
show job 9.0
    | t4 rev 1 has ended
    | 9.0/0 due 4000 rev 1 failed at 4000 error "terminated"

# Dispatched and returned: a cancel may still promise that it never ran.
at 5000 submit t5 trade + dispatch w1 1 -> accepted 11.0, push 11.1 of 11.0/0 due 5000, ready trade
at 5000 return 11.1 -> ok, ready trade
at 5000 cancel trade/t5 -> CANCELLED 11.0, 11.0/0 cancelled
at 6000 return 99.0 -> ok

# Interrupted and given back: user code ran, so it was an attempt, and a cancel says so.
at 7000 submit t6 trade + dispatch w1 1 -> accepted 15.0, push 15.1 of 15.0/0 due 7000, ready trade
at 7100 return 15.1 began -> ok, ready trade
at 7200 dispatch w1 1 -> push 17.0 of 15.0/0 due 7000 attempt 2 retries 0 reclaims 0
at 7300 return 17.0 began -> ok, ready trade
at 7400 cancel trade/t6 -> CANCEL_REQUESTED 15.0, 15.0/0 cancelled
show job 15.0
    | t6 rev 1 has ended
    | 15.0/0 due 7000 rev 1 cancelled at 7400 executions 2 retries 0 reclaims 0 [15.1 Interrupted, 17.0 Interrupted] error "cancelled"
