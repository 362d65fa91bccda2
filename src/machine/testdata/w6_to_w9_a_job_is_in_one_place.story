# W6, W7: no timer undoes a dispatch; a rejected push comes back as ready and no attempt counts.
at 1000 online w1 trade 1 -> session 1.0
at 1000 submit t1 trade + dispatch w1 1 -> accepted 2.0, push 2.1 of 2.0/0 due 1000, ready trade
at 100000 tick -> ok
show job 2.0
    | t1 rev 1 lives
    | 2.0/0 due 1000 rev 1 executing 2.1 on w1 1.0 executions 1 retries 0 reclaims 0
at 100000 return 2.1 -> ok, ready trade
show job 2.0
    | t1 rev 1 lives
    | 2.0/0 due 1000 rev 1 ready since 100000 executions 0 retries 0 reclaims 0
at 100000 dispatch w1 1 -> push 5.0 of 2.0/0 due 1000
# The completion of a returned push is stale.
at 100000 complete 2.1 success -> stale
at 100000 return 5.0,5.0,2.1 -> ok, ready trade
at 100000 dispatch w1 1 -> push 8.0 of 2.0/0 due 1000

# W8: the next job travels in the entry of the completion, as an ordinary dispatch.
at 100100 submit t2 trade -> accepted 9.0, ready trade
at 100200 complete 8.0 success + dispatch w1 1 -> accepted, push 10.0 of 9.0/0 due 100100, 2.0/0 succeeded
at 100200 complete 8.0 success -> accepted
show job 9.0
    | t2 rev 1 lives
    | 9.0/0 due 100100 rev 1 executing 10.0 on w1 1.0 executions 1 retries 0 reclaims 0
# W9: nothing strands what came before an unknown one in the same batch.
at 100300 submit t3 trade + submit t4 trade -> accepted 12.0, accepted 12.1, ready trade
at 100300 complete 99.0 success , 10.0 success , 98.0 failed + dispatch w1 2 -> stale, accepted, stale, push 13.0 of 12.0/0 due 100300, 9.0/0 succeeded
show due
