# All written lines together take no more than they may: the oldest go first, whoever wrote them.
at 0 online w1 trade 9 -> session 1.0
at 0 submit a trade , b trade + dispatch w1 9 -> accepted 2.0, accepted 2.1, push 2.2 of 2.0/0 due 0, push 2.3 of 2.1/0 due 0, ready trade
at 10 log 2.2 from=1 one two -> ok
at 20 log 2.3 from=1 three -> ok
at 30 log 2.2 from=3 four -> ok
show logbytes
    | 271
at 30 limits logbytes=150 -> ok
at 30 expire -> ok
show logbytes
    | 137
show log 2.0/0
    | 5.0 2.2 four
show log 2.1/0
    | 4.0 2.3 three
# By age, also of a run that executes.
at 1000 limits logbytes=1000000 log=975 -> ok
at 1000 expire -> ok
show log 2.0/0
    | 5.0 2.2 four
show log 2.1/0
at 2000 expire -> ok
show rows
    | Group 1, Job 2, Live 2, NodeEvent 1, TaskKey 2, Tracker 1
# A line that counts what was dropped is written again when it was forgotten.
at 2000 limits biz=10 -> ok
at 2000 log 2.2 from=5 123456789012345 -> ok
show log 2.0/0
    | 12.0 2.2 2 lines dropped
at 4000 expire -> ok
at 4000 log 2.2 from=6 123456789012345 -> ok
show log 2.0/0
    | 14.0 2.2 3 lines dropped
show logbytes
    | 64
# With its run a line goes whatever its age.
at 4000 complete 2.2 success , 2.3 success -> accepted, accepted, 2.0/0 succeeded, 2.1/0 succeeded
at 4000 limits kept=100 -> ok
at 5000 expire -> ok
show logbytes
    | 0
