"""Whether AWS has this operation and takes these parameters, by botocore's model of its API: aws.py SERVICE OPERATION --FLAG VALUE..."""

import sys

import botocore.session
from botocore.validate import ParamValidator

service, operation, *flags = sys.argv[1:]
model = botocore.session.get_session().get_service_model(service)
name = {xform.lower(): xform for xform in model.operation_names}[operation.replace("-", "")]
shape = model.operation_model(name).input_shape
members = {member.lower(): member for member in shape.members}
parameters = {}
for flag, value in zip(flags[::2], flags[1::2], strict=True):
    member = members[flag.removeprefix("--").replace("-", "")]
    is_number = shape.members[member].type_name in ("integer", "long")
    parameters[member] = int(value) if is_number else value
report = ParamValidator().validate(parameters, shape)
if report.has_errors():
    sys.exit(report.generate_report())
