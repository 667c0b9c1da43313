-- Events are looked up in the order of their arrival, a handful at a time, so nothing asks for an index
-- of lanes; and it was what most of the pages were that each acknowledgement wrote.
DROP INDEX inbox_lane;
