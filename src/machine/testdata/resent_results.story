# A result that came again, or came only when it was sent again, is remembered as such, once.
at 1000 online w1 trade 9 -> session 1.0
at 1000 submit a trade , b trade retries=1 delay=10 + dispatch w1 9 -> accepted 2.0, accepted 2.1, push 2.2 of 2.0/0 due 1000, push 2.3 of 2.1/0 due 1000, ready trade
at 1000 complete 2.2 success -> accepted, 2.0/0 succeeded
at 1000 complete 2.3 later resent -> accepted
at 1100 complete 2.2 success resent -> accepted
at 1100 complete 2.2 success resent -> accepted
at 1100 complete 2.3 later -> accepted
show job 2.0
    | a rev 1 has ended
    | 2.0/0 due 1000 rev 1 succeeded at 1000 executions 1 retries 0 reclaims 0 [2.2 EXECUTE_SUCCESS resent]
show job 2.1
    | b rev 1 lives
    | 2.1/0 due 1000 rev 1 waiting until 1010 executions 1 retries 1 reclaims 0
