# W15: a request that comes again gets its first answer, and is executed once.
at 0 online w1 trade 9 -> session 1.0
at 0 open c1 -> client 2.0
at 0 submit t1 trade req=c1:1 -> accepted 3.0, ready trade
at 0 submit t1 trade req=c1:1 -> again: accepted 3.0
at 0 dispatch w1 9 -> push 5.0 of 3.0/0 due 0
at 1 complete 5.0 success -> accepted, 3.0/0 succeeded
at 2 submit t1 trade req=c1:1 -> again: accepted 3.0
at 2 submit t2 trade , t1 trade , t3 trade req=c1:2 -> accepted 8.0, accepted 8.1, accepted 8.2, ready trade
at 2 submit t2 trade , t1 trade , t3 trade req=c1:2 -> again: accepted 8.0, accepted 8.1, accepted 8.2
at 2 cancel trade/t2 req=c1:3 -> CANCELLED 8.0, 8.0/0 cancelled
at 2 cancel trade/t2 req=c1:3 -> again: CANCELLED 8.0
at 2 retry 3.0/0 req=c1:4 -> refused: live job 8.1 has the same task id
at 2 retry 3.0/0 req=c1:4 -> again: refused: live job 8.1 has the same task id
at 2 terminate 3.0/0 req=c1:5 -> refused: run 3.0/0 is not executing
at 2 dispatch w1 9 -> push 15.0 of 8.1/0 due 2, push 15.1 of 8.2/0 due 2
at 2 terminate 3.0/0 req=c1:5 -> again: refused: run 3.0/0 is not executing
# Another request under the same number, of the same kind or another.
at 3 submit t1 trade payload=x req=c1:1 -> refused: the sequence or request id was used for another request
at 3 cancel trade/t1 req=c1:1 -> refused: the sequence or request id was used for another request
at 3 submit t9 trade req=c1:3 -> refused: the sequence or request id was used for another request
at 3 submit t9 trade req=c1:5 -> refused: the sequence or request id was used for another request
# Out of order within the window, then too old to know.
at 4 cancel trade/x req=c1:1500 -> NOT_FOUND
at 4 cancel trade/x req=c1:1499 -> NOT_FOUND
at 4 cancel trade/x req=c1:477 -> NOT_FOUND
at 4 cancel trade/x req=c1:476 -> refused: request 476 of client session 2.0 is too old to know whether it was applied
at 4 submit t1 trade req=c1:1 -> refused: request 1 of client session 2.0 is too old to know whether it was applied
show rows
    | Answer 3, Client 1, Finished 2, Group 1, Job 4, JobLog 1, Ledger 2, Live 2, LogAge 1, NodeEvent 1, TaskKey 3, Tracker 1
# Numbers jump as far as they can.
at 5 cancel trade/x req=c1:18446744073709551615 -> NOT_FOUND
at 5 cancel trade/x req=c1:18446744073709551615 -> again: NOT_FOUND
at 5 cancel trade/x req=c1:18446744073709551614 -> NOT_FOUND
show rows
    | Answer 2, Client 1, Finished 2, Group 1, Job 4, JobLog 1, Ledger 2, Live 2, LogAge 1, NodeEvent 1, TaskKey 3, Tracker 1
# A session that nobody opened.
at 6 submit t8 trade req=99.0:1 -> refused: client session 99.0 is unknown or expired
# By an id that the caller chose.
at 7 submit t7 trade id=abc -> accepted 30.0, ready trade
at 7 cancel trade/t7 -> CANCELLED 30.0, 30.0/0 cancelled
at 7 submit t7 trade id=abc -> again: accepted 30.0
at 7 cancel trade/t7 id=abc -> refused: the sequence or request id was used for another request
at 7 submit t7 trade payload=x id=abc -> refused: the sequence or request id was used for another request
# What was refused before it came is remembered with its place; a retry that would be accepted, or refused, in other places
# gets the first answers.
at 8 submit t10 trade , t11 trade refused=1 id=batch -> accepted 35.0, refused before, accepted 35.1, ready trade
at 8 submit t10 trade , t11 trade refused=0,1 id=batch -> again: accepted 35.0, refused before, accepted 35.1
at 8 submit t10 trade , t11 trade id=batch -> again: accepted 35.0, refused before, accepted 35.1
