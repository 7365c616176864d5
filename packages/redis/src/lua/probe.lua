-- Says whether a server takes what is written: reading goes on where memory is full, or where a master has become a replica.
--
-- KEYS    a key that means nothing
-- ARGV 1  (see begin)
-- Reply   doubles 1, now
--@include begin
call('SET', KEYS[1], '', 'PX', 1000)
return packText('<dd', 1, now)
