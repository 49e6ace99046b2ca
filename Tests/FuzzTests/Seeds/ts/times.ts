@timestamps true
@data
