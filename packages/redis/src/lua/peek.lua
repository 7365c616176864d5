-- Reads rows, changing nothing.
--
-- KEYS    the rows
-- ARGV 1  (see begin)
-- Reply   a text: doubles 1, now and, for each row, its length; then the rows, empty where there is none
--@include begin
local lengths, texts = {}, {}
for g = 1, #KEYS do
  texts[g] = call('GET', KEYS[g]) or ''
  lengths[g] = #texts[g]
end
return packText('<dd' .. string.rep('d', #KEYS), 1, now, unpack(lengths)) .. table.concat(texts)
